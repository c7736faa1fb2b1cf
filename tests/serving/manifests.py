"""The objects of a kustomization, and Pod Security's level "restricted" over their pods."""

import shutil
import subprocess

import pytest
import yaml

_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}


def rendered(folder):
    """The objects of a kustomization; skips the test where there is no `kubectl`."""
    kubectl = shutil.which("kubectl")
    if not kubectl:
        pytest.skip("kubectl is not installed")
    command = [kubectl, "kustomize", str(folder)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(text))


def pod(workload):
    """The pod that a Deployment or a Job makes, or None."""
    return workload.get("spec", {}).get("template", {}).get("spec")


def breaches(spec):
    """What "restricted" of the Pod Security Standards refuses in a pod: sentences."""
    found = [f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    of_pod = spec.get("securityContext", {})
    if of_pod.get("sysctls"):
        found.append("sysctls are set")
    for volume in spec.get("volumes", ()):
        found += [f"a volume is a {kind}" for kind in set(volume) - {"name"} - _VOLUMES]
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        own = container.get("securityContext", {})
        merged = of_pod | own
        capabilities = own.get("capabilities", {})
        rules = {
            "is privileged": own.get("privileged"),
            "may gain privileges": own.get("allowPrivilegeEscalation") is not False,
            "keeps capabilities": "ALL" not in capabilities.get("drop", ()),
            "adds capabilities": set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"},
            "may run as root": merged.get("runAsNonRoot") is not True,
            "runs as root": merged.get("runAsUser") == 0,
            "has no seccomp profile": merged.get("seccompProfile", {}).get("type")
            not in ("RuntimeDefault", "Localhost"),
            "sees more of /proc": own.get("procMount", "Default") != "Default",
            "has a port of the host": any("hostPort" in p for p in container.get("ports", ())),
            "is probed on another host": any(
                "host" in handler
                for probe in ("livenessProbe", "readinessProbe", "startupProbe")
                for handler in container.get(probe, {}).values()
                if isinstance(handler, dict)
            ),
            "has options of SELinux, AppArmor or Windows": merged.keys()
            & {"seLinuxOptions", "appArmorProfile", "windowsOptions"},
        }
        found += [f"{container['name']} {rule}" for rule, broken in rules.items() if broken]
    return found
