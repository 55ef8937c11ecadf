"""Holds docker-compose.kafka.yml to scripts/versions.env, to the ports of the stack `demo` and to the
settings of the local servers: check_compose.py REPOSITORY PROPERTIES. In the folder PROPERTIES are the
server.properties of a local broker alone, "1", and of one of three, "3". Prints each difference; ends
with 1 on any."""

import re
import sys
from pathlib import Path

from ruamel.yaml import YAML

repository = Path(sys.argv[1])
properties = Path(sys.argv[2])
scripts = repository / "scripts"
text = (repository / "docker-compose.kafka.yml").read_text()
compose = YAML(typ="safe").load(text)
defaults = {name: set() for name in re.findall(r"\$\{(\w+):-", text)}
for name, value in re.findall(r"\$\{(\w+):-([^}]*)\}", text):
    defaults[name].add(value)


def pairs(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# Who a broker is and where: in containers it has other addresses and folders.
ITS_PLACE = re.compile(r"node\.id|log\.dirs|.*listener.*|controller\.quorum\.voters")


def brokers():
    """The other settings, alone and, with three-brokers.env, as one of three."""
    for count in ("1", "3"):
        given = pairs(scripts / "lib" / "three-brokers.env") if count == "3" else {}
        for name, value in pairs(properties / count).items():
            if ITS_PLACE.fullmatch(name):
                continue
            variable = "KAFKA_" + name.upper().replace(".", "_")
            for broker in ("kafka-1", "kafka-2", "kafka-3")[: int(count)]:
                found = str(compose["services"][broker]["environment"].get(variable))
                found = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda part: given.get(part[1], part[2]), found)
                if found != value:
                    yield f"{broker} of {count}: {variable} is {found}, and {value} in local mode"


def differences():
    versions = pairs(scripts / "versions.env")
    for name in [name for name in defaults if name.endswith("_VERSION")]:
        if defaults[name] != {versions.get(name)}:
            yield f"{name} is {defaults[name]} in the compose file and {versions.get(name)} in versions.env"
    offsets = {"KAFKA_1": 1, "KAFKA_2": 2, "KAFKA_3": 3, "POSTGRES": 20, "REGISTRY": 30, "REDIS": 40, "SMTP": 50, "MAIL_API": 51}
    for name, offset in offsets.items():
        if defaults.get(f"PORT_{name}") != {str(19000 + offset)}:
            yield f"PORT_{name} is {defaults.get(f'PORT_{name}')} and not {19000 + offset}, the port of the stack demo"
    for name, service in compose["services"].items():
        if not service.get("healthcheck"):
            yield f"{name} has no health check"
        if not re.search(r":(\$\{\w+_VERSION:-)?v?\d+\.\d+", service["image"]):
            yield f"the image of {name} is not pinned: {service['image']}"
        for port in service["ports"]:
            if not port.startswith("127.0.0.1:"):
                yield f"{name} opens {port} to other machines"
    yield from brokers()
    requirement = re.search(r"^aiosmtpd==(.+)$", (scripts / "requirements.txt").read_text(), re.MULTILINE)
    if set(re.findall(r"aiosmtpd[=-]=?([\d.]+)", text)) != {requirement[1]}:
        yield f"mail: aiosmtpd is {requirement[1]} in scripts/requirements.txt"
    local = (scripts / "lib" / "postgres.sh").read_text()
    for name, value in re.findall(r"-c (\w+)=([\w$]+)", local[local.index("postgres_start") :]):
        if name not in ("listen_addresses", "unix_socket_directories", "fsync") and f"{name}={value}" not in text:
            yield f"postgres: {name}={value} is set in local mode only"
    local = (scripts / "lib" / "registry.sh").read_text()
    for name, value in re.findall(r"^(APICURIO_(?:RULES|CCOMPAT)\w+)=(.+)$", local, re.MULTILINE):
        if compose["services"]["registry"]["environment"].get(name) != value:
            yield f"registry: {name}={value} is set in local mode only"


found = list(differences())
for difference in found:
    print(f"docker-compose.kafka.yml: {difference}")
sys.exit(1 if found else 0)
