"""The environment in which a function starts here: what the template and Lambda set on AWS, and nothing of this machine."""

from __future__ import annotations

import os
from typing import Any

import botocore

from local import template as sam

REGION = "eu-central-1"
POLICY = sam.TEMPLATE.parent / "policy.yaml"
"""The starter policy. On AWS it lies beside the binary."""
CERTIFICATES = os.path.join(os.path.dirname(botocore.__file__), "cacert.pem")
"""Root certificates that are the same wherever this runs. Lambda's image has its own, about as many."""
FOR_ALL = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_SESSION_TOKEN": "example",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    # The template's LoggingConfig.
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "EKS_UPGRADE_POLICY_FILE": str(POLICY),
    "LANG": "en_US.UTF-8",
    "PATH": os.defpath,
    "SSL_CERT_FILE": CERTIFICATES,
    "TZ": ":UTC",
}


def of(function: str, template: dict[str, Any] | None = None) -> dict[str, str]:
    """The environment of one function: the template's variables, and what the Lambda service adds."""
    template = template or sam.read()
    properties = next(
        body["Properties"]
        for body in sam.of_type(template, "AWS::Serverless::Function").values()
        if body["Properties"]["CodeUri"].rstrip("/").endswith(f"/{function}")
    )
    variables = {
        **template["Globals"]["Function"]["Environment"]["Variables"],
        **properties.get("Environment", {}).get("Variables", {}),
    }
    names = {"AWS_LAMBDA_FUNCTION_NAME": f"eks-upgrade-{function}", "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}"}
    return FOR_ALL | names | {name: _sample(value) for name, value in variables.items()}


def _sample(value: Any) -> str:
    """A value as it is written, or a stand-in for what CloudFormation would put there: no condition holds by default."""
    if isinstance(value, dict) and "Fn::If" in value:
        _, _, otherwise = value["Fn::If"]
        return _sample(otherwise)
    return f"arn:aws:example:{REGION}:123456789012:example" if isinstance(value, dict) else str(value)
