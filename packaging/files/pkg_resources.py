"""The one function that pykafka takes from pkg_resources, which comes with setuptools and is not needed otherwise."""


def parse_version(version):
    """The numbers of a broker's version like 0.10.2, to be compared."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
