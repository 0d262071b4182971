"""An application of Caisson's: real flights and planes, bookings made all the time, and a check that none was lost.

It is what `make demo` and the end-to-end tests run inside the cluster, as a team's own pods would: with the SDK, a
mounted Service Binding, and no access to the Kubernetes API.
"""
