"""update.py on small pieces of what it reads: python3 -m unittest discover crates/core/data."""

import tempfile
import unittest
from pathlib import Path

import update

GUIDE = """### v1.32

#### Flow control resources {#flowcontrol-resources-v132}

The **flowcontrol.apiserver.k8s.io/v1beta3** API version of FlowSchema and PriorityLevelConfiguration is no longer
served as of v1.32.

* Migrate manifests and API clients to use the **flowcontrol.apiserver.k8s.io/v1** API version, available since v1.29.

### v1.25

#### PodSecurityPolicy {#psp-v125}

PodSecurityPolicy in the **policy/v1beta1** API version is no longer served as of v1.25, and its controller goes, too.

### v1.16

#### DaemonSet {#daemonset-v116}

The **extensions/v1beta1** and **apps/v1beta2** API versions of DaemonSet are no longer served as of v1.16.

* Migrate manifests and API clients to use the **apps/v1** API version, available since v1.9.
"""

MARKERS = """
func (in *{kind}) APILifecycleDeprecated() (major, minor int) {{
	return 1, {deprecated}
}}
func (in *{kind}) APILifecycleReplacement() schema.GroupVersionKind {{
	return schema.GroupVersionKind{{Group: "flowcontrol.apiserver.k8s.io", Version: "v1", Kind: "{kind}"}}
}}
func (in *{kind}) APILifecycleRemoved() (major, minor int) {{
	return 1, {removed}
}}
"""


def tree(root: Path, deprecated: int, removed: int) -> Path:
    """A source tree with one API version: a kind that clients call, and its list, which they do not."""
    folder = root / "flowcontrol" / "v1beta3"
    folder.mkdir(parents=True)
    (folder / "register.go").write_text('const GroupName = "flowcontrol.apiserver.k8s.io"\n')
    (folder / "types.go").write_text(
        "// +genclient\n// +genclient:nonNamespaced\n\n// A flow schema.\ntype FlowSchema struct {\n}\n"
        "type FlowSchemaList struct {\n}\n"
    )
    kinds = ["FlowSchema", "FlowSchemaList"]
    text = "".join(MARKERS.format(kind=kind, deprecated=deprecated, removed=removed) for kind in kinds)
    (folder / "zz_generated.prerelease-lifecycle.go").write_text(text)
    return root


class Guide(unittest.TestCase):
    def test_each_form_of_sentence_is_read(self):
        rows = {update.key(row): row for row in update.from_guide(GUIDE)}
        self.assertEqual(
            sorted(rows),
            [
                ("apps", "v1beta2", "DaemonSet"),
                ("extensions", "v1beta1", "DaemonSet"),
                ("flowcontrol.apiserver.k8s.io", "v1beta3", "FlowSchema"),
                ("flowcontrol.apiserver.k8s.io", "v1beta3", "PriorityLevelConfiguration"),
                ("policy", "v1beta1", "PodSecurityPolicy"),
            ],
        )
        policy = rows["policy", "v1beta1", "PodSecurityPolicy"]
        self.assertEqual((policy["removed"], policy["resource"]), ("1.25", "podsecuritypolicies"))
        self.assertIsNone(policy["replacement"])
        daemon_set = rows["extensions", "v1beta1", "DaemonSet"]
        self.assertEqual((daemon_set["removed"], daemon_set["replacement"]), ("1.16", "apps/v1 DaemonSet"))


class Source(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def test_only_kinds_that_clients_call_are_read(self):
        (row,) = update.from_source(tree(self.root, 29, 32))
        self.assertEqual((row["kind"], row["deprecated"], row["removed"]), ("FlowSchema", "1.29", "1.32"))

    def test_the_guide_says_when_and_the_source_since_when(self):
        source = update.from_source(tree(self.root, 29, 31))
        rows = {update.key(row): row for row in update.merged([], update.from_guide(GUIDE), source)}
        row = rows["flowcontrol.apiserver.k8s.io", "v1beta3", "FlowSchema"]
        self.assertEqual((row["deprecated"], row["removed"]), ("1.29", "1.32"))

    def test_what_goes_after_the_guide_ends_is_the_sources(self):
        guide = [row for row in update.from_guide(GUIDE) if row["removed"] != "1.32"]
        source = update.from_source(tree(self.root, 29, 40))
        rows = update.merged([], guide, source)
        self.assertEqual((rows[0]["kind"], rows[0]["removed"]), ("FlowSchema", "1.40"))
        self.assertEqual(update.merged(rows, guide, source), rows, "twice is once")


if __name__ == "__main__":
    unittest.main()
