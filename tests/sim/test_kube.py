"""The Kubernetes API of clusters, over TLS and by kubectl, with tokens as `aws eks get-token` makes them."""

import base64
import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.signers import RequestSigner

FLEET = """
clusters:
  - name: a
    version: "1.33"
    nodegroups: [{name: web, size: 3}]
    kubernetes:
      workloads: [{name: shop, replicas: 3}]
      budgets: [{name: shop, selects: shop, max_unavailable: 1}]
  - {name: plain, version: "1.33"}
"""


def token(cluster: str) -> str:
    """What `aws eks get-token` prints."""
    session = boto3.Session(aws_access_key_id="AKID", aws_secret_access_key="secret", region_name="us-east-1")
    sts = session.client("sts")
    signer = RequestSigner(sts.meta.service_model.service_id, "us-east-1", "sts", "v4", session.get_credentials(), session.events)
    request = {
        "method": "GET", "url": "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {}, "headers": {"x-k8s-aws-id": cluster}, "context": {},
    }
    url = signer.generate_presigned_url(request, region_name="us-east-1", expires_in=60, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


class ApiServer:
    """The API server of a cluster, found by what DescribeCluster says."""

    def __init__(self, simulator, name: str):
        cluster = simulator.eks.describe_cluster(name=name)["cluster"]
        self.endpoint = cluster["endpoint"]
        self.authority = cluster["certificateAuthority"]["data"]
        self.token = token(name)
        self.context = ssl.create_default_context(cadata=base64.b64decode(self.authority).decode())

    def ask(self, path: str, authorization=None):
        headers = {"Authorization": f"Bearer {self.token}" if authorization is None else authorization}
        request = urllib.request.Request(self.endpoint + path, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self.context) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)

    def kubeconfig(self, path):
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": self.endpoint, "certificate-authority-data": self.authority}}],
            "users": [{"name": "a", "user": {"token": self.token}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        }))
        return path


def test_the_token_of_the_aws_cli_opens_the_door(start):
    simulator = start(FLEET)
    server = ApiServer(simulator, "a")
    assert urlsplit(server.endpoint).hostname == "127.0.0.1"
    assert server.endpoint.endswith("/123456789012/us-east-1/a")
    status, nodes = server.ask("/api/v1/nodes")
    assert status == 200 and nodes["kind"] == "NodeList" and len(nodes["items"]) == 3
    assert server.ask("/api/v1/nodes", "Bearer k8s-aws-v1.bm8")[0] == 401
    assert server.ask("/api/v1/nodes", "")[1]["reason"] == "Unauthorized"
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(server.endpoint + "/version")
    other = simulator.eks.describe_cluster(name="plain")["cluster"]
    assert other["endpoint"].endswith(".eks.amazonaws.com")
    log = simulator.log.read_text()
    assert '"kube:list nodes"' in log and "k8s-aws-v1" not in log and "X-Amz-Signature" not in log


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_drains_rolls_and_scales(start, tmp_path):
    server = ApiServer(start(FLEET, speed=20), "a")
    config = server.kubeconfig(tmp_path / "kubeconfig")

    def kubectl(*arguments: str) -> str:
        done = subprocess.run(
            ["kubectl", "--kubeconfig", config, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def pods() -> list:
        return json.loads(kubectl("get", "pods", "-l", "app=shop", "-o", "json"))["items"]

    node = pods()[0]["spec"]["nodeName"]
    kubectl("drain", node, "--ignore-daemonsets", "--timeout=30s")
    assert all(pod["spec"]["nodeName"] != node for pod in pods() if "deletionTimestamp" not in pod["metadata"])
    kubectl("uncordon", node)
    kubectl("set", "image", "deployment/shop", "shop=shop:2")
    kubectl("rollout", "status", "deployment/shop", "--timeout=30s")
    assert {pod["spec"]["containers"][0]["image"] for pod in pods()} == {"shop:2"}
    kubectl("rollout", "restart", "daemonset/kube-proxy", "-n", "kube-system")
    kubectl("scale", "deployment/shop", "--replicas=0")
    kubectl("wait", "pods", "-l", "app=shop", "--for=delete", "--timeout=30s")
    assert pods() == []
