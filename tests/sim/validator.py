"""Holds raw answers against the published service model, strictly.

botocore's own parser forgives nearly everything: members it does not know, numbers that are text, enum values
that do not exist. This one forgives nothing.
"""

import json
import re
from xml.etree import ElementTree

from botocore.model import OperationModel, Shape

# Errors that every operation may answer with and no operation declares.
UNDECLARED = {
    "AccessDeniedException",
    "ThrottlingException",
    "SerializationException",
    "UnknownOperationException",
    "SubscriptionRequiredException",
    "ValidationException",
}


def problems(shape: Shape, value, where="answer") -> list[str]:
    """What is wrong with `value` as a `shape`."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, value, where)
    if kind == "list":
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [p for i, item in enumerate(value) for p in problems(shape.member, item, f"{where}[{i}]")]
    if kind == "map":
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no map"]
        return [p for key, item in value.items() for p in problems(shape.value, item, f"{where}.{key}")]
    if kind == "timestamp":
        return [] if _number(value) else [f"{where}: {value!r} is no numeric timestamp"]
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{where}: {value!r} is no boolean"]
    if kind in ("integer", "long"):
        if not isinstance(value, int) or isinstance(value, bool):
            return [f"{where}: {value!r} is no integer"]
        return _range(shape, value, value, where)
    if kind == "string":
        return _string(shape, value, where)
    return [f"{where}: no check for {kind}"]


def _number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _range(shape, size, value, where):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        return [f"{where}: {value!r} is out of {least}..{most}"]
    return []


def _string(shape, value, where):
    if not isinstance(value, str):
        return [f"{where}: {value!r} is no text"]
    enum = getattr(shape, "enum", [])
    if enum and value not in enum:
        return [f"{where}: {value!r} is none of {shape.name}"]
    # The models spell what is beyond 16 bits as pairs of surrogates, which Python does not read.
    pattern = shape.metadata.get("pattern", "").replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    if pattern and not re.fullmatch(pattern, value):
        return [f"{where}: {value!r} does not match {pattern}"]
    return _range(shape, len(value), value, where)


def _structure(shape, value, where):
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no structure"]
    names = {m.serialization.get("name", name): m for name, m in shape.members.items()}
    found = [f"{where}: {shape.name} has no member {name}" for name in value if name not in names]
    found += [f"{where}: {name} is required" for name in shape.required_members if name not in value]
    for name, item in value.items():
        if name in names:
            found += problems(names[name], item, f"{where}.{name}")
    return found


def check(operation: OperationModel, response: dict) -> list[str]:
    """What is wrong with a raw HTTP answer to `operation`."""
    protocol = operation.service_model.metadata["protocol"]
    if protocol in ("query", "ec2"):
        return _check_xml(operation, response, protocol == "ec2")
    body = json.loads(response["body"] or b"{}")
    status, headers = response["status_code"], {k.lower(): v for k, v in response["headers"].items()}
    if status < 300:
        return problems(operation.output_shape, body, operation.name)
    name = headers.get("x-amzn-errortype")
    if not name:
        return [f"{operation.name}: {status} without x-amzn-ErrorType"]
    if not body.get("message"):
        return [f"{operation.name}: {name} without message"]
    body.pop("__type", None)
    declared = {shape.name: shape for shape in operation.error_shapes}
    if name not in declared:
        return [] if name in UNDECLARED else [f"{operation.name}: {name} is not declared"]
    shape = declared[name]
    documented = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    found = [] if status == documented else [f"{operation.name}: {name} with {status}, not {documented}"]
    return found + problems(shape, body, f"{operation.name}.{name}")


def _bare(element) -> str:
    return element.tag.rpartition("}")[2]


def _read(shape, element):
    """XML as the value that it spells, or its text where it spells none."""
    kind, text = shape.type_name if shape else "structure", element.text or ""
    if kind == "structure":
        members = {m.serialization.get("name", name): m for name, m in shape.members.items()} if shape else {}
        return {_bare(child): _read(members.get(_bare(child)), child) for child in element}
    if kind == "list":
        entry = shape.member.serialization.get("name", "member")
        strange = [child for child in element if _bare(child) != entry]
        return f"<{_bare(strange[0])}>" if strange else [_read(shape.member, child) for child in element]
    if kind == "timestamp":
        return 0 if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text) else text
    if kind in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _check_xml(operation: OperationModel, response: dict, ec2: bool) -> list[str]:
    """The same for the query protocol and EC2's dialect of it, whose errors are declared by their codes."""
    root = ElementTree.fromstring(response["body"])
    if response["status_code"] < 300:
        return _check_xml_answer(operation, root, ec2)
    if ec2:
        (errors, request_id), names = root, ["Response", "Errors", "RequestID"]
        (error,), required = errors, {"Code", "Message"}
        spelled = [_bare(root), _bare(errors), _bare(request_id)]
    else:
        (error, request_id), names = root, ["ErrorResponse", "Error", "RequestId"]
        required, spelled = {"Type", "Code", "Message"}, [_bare(root), _bare(error), _bare(request_id)]
    if spelled != names:
        return [f"{operation.name}: an error is not spelled like that: {response['body']!r}"]
    said = {_bare(child): child.text for child in error}
    return [] if set(said) == required and all(said.values()) else [f"{operation.name}: {said}"]


def _check_xml_answer(operation: OperationModel, root, ec2: bool) -> list[str]:
    shape = operation.output_shape
    if ec2:
        value = _read(shape, root)
        value.pop("requestId", None)
        envelope = (_bare(root), [bool(child.text) for child in root if _bare(child) == "requestId"])
        found = [] if envelope == (f"{operation.name}Response", [True]) else [f"{operation.name}: {envelope}"]
        return found + problems(shape, value, operation.name)
    result = [f"{operation.name}Result"] if shape else []
    names = [_bare(root), *map(_bare, root)]
    expected = [f"{operation.name}Response", *result, "ResponseMetadata"]
    if names != expected:
        return [f"{operation.name}: {names} instead of {expected}"]
    return problems(shape, _read(shape, root[0]), operation.name) if shape else []
