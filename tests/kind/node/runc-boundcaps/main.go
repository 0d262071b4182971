// Command runc-boundcaps stands in for runc on a machine which itself lacks a
// capability: it drops from the container's configuration every capability that
// this process may not hold, then becomes runc. Without it a privileged container
// fails with "unable to apply caps: operation not permitted".
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// In the kernel's order (linux/capability.h): the index is the bit.
var names = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
	SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
	AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON
	BPF CHECKPOINT_RESTORE`)

func main() {
	if bundle := valueOf("--bundle", "-b"); bundle != "" {
		trim(filepath.Join(bundle, "config.json"), "process")
	}
	if process := valueOf("--process", "-p"); process != "" {
		trim(process, "")
	}
	for _, runc := range []string{"/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"} {
		if _, err := os.Stat(runc); err == nil {
			exit(syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ()))
		}
	}
	exit(fmt.Errorf("runc is not installed"))
}

// trim rewrites the capabilities in an OCI configuration (under key) or a bare OCI process.
func trim(path, key string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return // runc says it better
	}
	var document map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		exit(err)
	}
	process := document
	if key != "" {
		process, _ = document[key].(map[string]any)
	}
	sets, _ := process["capabilities"].(map[string]any)
	if sets == nil {
		return
	}
	held := heldCapabilities()
	for set, value := range sets {
		kept := []any{}
		all, _ := value.([]any)
		for _, capability := range all {
			if name, _ := capability.(string); held[name] {
				kept = append(kept, capability)
			}
		}
		sets[set] = kept
	}
	out, err := json.Marshal(document)
	if err == nil {
		err = os.WriteFile(path, out, 0o600)
	}
	if err != nil {
		exit(err)
	}
}

func heldCapabilities() map[string]bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		exit(err)
	}
	bound, err := strconv.ParseUint(regexp.MustCompile(`(?m)^CapBnd:\s*([0-9a-f]+)`).FindStringSubmatch(string(status))[1], 16, 64)
	if err != nil {
		exit(err)
	}
	held := map[string]bool{}
	for bit, name := range names {
		held["CAP_"+name] = bound>>bit&1 == 1
	}
	return held
}

func valueOf(flags ...string) string {
	for i, argument := range os.Args {
		for _, flag := range flags {
			if argument == flag && i+1 < len(os.Args) {
				return os.Args[i+1]
			}
			if value, found := strings.CutPrefix(argument, flag+"="); found {
				return value
			}
		}
	}
	return ""
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "runc-boundcaps:", err)
	os.Exit(1)
}
