"""`kubectl caisson`: what a person does with a ShardedDatabase beyond get and apply.

It talks to the API server alone, with the user's own kubeconfig and rights, and knows of the operator only what the
resource says. Pure: `resource`, `findings`, `estimate`, `placement_counts`, `report.redaction`, and all that ends up as text. Effects
are behind `kube.Kube`.
"""
