"""The objects of a kustomization, and Pod Security's level "restricted" over their pods."""

import shutil
import subprocess

import yaml

_KEYS = {"volumeMounts": "mountPath", "ports": "containerPort"}  # `name` elsewhere
_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}
KUBECTL = shutil.which("kubectl")


def rendered(folder):
    """The objects of a kustomization, by `kubectl` where it is there."""
    if not KUBECTL:
        return read(folder)
    command = [KUBECTL, "kustomize", str(folder)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(text))


def read(folder):
    """The same without `kubectl`, less the ConfigMaps."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    objects = []
    for name in kustomization.get("resources", ()):
        path = folder / name
        objects += read(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for patch in kustomization.get("patches", ()):
        change = yaml.safe_load((folder / patch["path"]).read_text())
        key = (change["kind"], change["metadata"]["name"])
        (index,) = [i for i, o in enumerate(objects) if (o["kind"], o["metadata"]["name"]) == key]
        objects[index] = _merged(objects[index], change)
    tags = {image["name"]: image["newTag"] for image in kustomization.get("images", ())}
    for container in (c for o in objects if (p := pod(o)) for c in p["containers"]):
        if container.get("image") in tags:
            container["image"] += f":{tags[container['image']]}"
    return objects


def _merged(old, new, name=""):
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merged(old.get(key), new[key], key) for key in new}
    if isinstance(old, list) and new and isinstance(new[0], dict):
        key = _KEYS.get(name, "name")
        by_name = {item[key]: item for item in old}
        for item in new:
            by_name[item[key]] = _merged(by_name.get(item[key]), item)
        return list(by_name.values())
    return new


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
