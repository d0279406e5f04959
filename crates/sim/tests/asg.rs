//! Self-managed groups: what Auto Scaling, EC2 and SSM do to them, and what becomes of their nodes.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_sim::{Request, Response};
use serde_json::{Value, json};
use story::Story;

mod story;

const FLEET: &str = "
clusters:
  - name: a
    version: '1.34'
    self_managed:
      - name: web
        size: 3
        min_size: 2
        max_size: 5
        version: '1.33'
        launch_template: {id: lt-web, name: web, version: 3}
";
/// The AMI of 1.34 that AWS recommends.
const NEWEST: &str =
    "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/standard/recommended/image_id";

/// The fleet with more about its group.
fn with(more: &str) -> Story {
    Story::of(&format!("{FLEET}        {more}\n"))
}

impl Story {
    fn send(&mut self, version: &str, fields: &[(&str, &str)], headers: Vec<(String, String)>) -> Response {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("Version", version)]).extend_pairs(fields);
        let content = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        let request = Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: headers.into_iter().chain([content]).collect(),
            body: form.finish().into_bytes(),
            ..Request::default()
        };
        self.world.handle(self.now, &request)
    }

    /// Asks Auto Scaling for something that must work.
    fn scaling(&mut self, action: &str, fields: &[(&str, &str)]) -> Response {
        let fields = [&[("Action", action)], fields].concat();
        let response = self.send("2011-01-01", &fields, Vec::new());
        assert_eq!(response.status, 200, "{action}: {}", response.body);
        response
    }

    /// Type of the refusal and the words of it.
    fn scaling_refused(&mut self, action: &str, fields: &[(&str, &str)]) -> (String, String) {
        let fields = [&[("Action", action)], fields].concat();
        let record = self.send("2011-01-01", &fields, Vec::new()).record.unwrap();
        assert!(record.status >= 400 && !record.mutated, "{action} was not refused");
        (record.error.unwrap(), record.message.unwrap())
    }

    fn compute(&mut self, action: &str, fields: &[(&str, &str)]) -> Response {
        let fields = [&[("Action", action)], fields].concat();
        self.send("2016-11-15", &fields, Vec::new())
    }

    fn parameter(&mut self, name: &str) -> Value {
        self.ask_ssm("GetParameter", &json!({"Name": name}))
    }

    fn ask_ssm(&mut self, action: &str, body: &Value) -> Value {
        let request = Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: vec![("x-amz-target".to_owned(), format!("AmazonSSM.{action}"))],
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        serde_json::from_str(&self.world.handle(self.now, &request).body).unwrap()
    }

    fn group(&mut self, name: &str) -> Value {
        self.cluster()["selfManaged"][name].clone()
    }

    /// How many instances of a group stand where, in order of age.
    fn states(&mut self, name: &str) -> Vec<String> {
        texts(&self.group(name)["instances"], "state")
    }

    /// The kubelets of a group's nodes.
    fn kubelets(&mut self, name: &str) -> Vec<String> {
        texts(&self.group(name)["nodes"], "kubeletVersion")
    }

    fn instance(&mut self, at: usize) -> String {
        self.group("web")["instances"][at]["id"].as_str().unwrap().to_owned()
    }

    /// A new version of the template with another image.
    fn new_version(&mut self, image: &str, more: &[(&str, &str)]) -> Response {
        let fields = [("LaunchTemplateId", "lt-web"), ("LaunchTemplateData.ImageId", image)];
        self.compute("CreateLaunchTemplateVersion", &[&fields, more].concat())
    }

    /// Moves the group to the newest image of 1.34.
    fn move_on(&mut self, source: &[(&str, &str)]) {
        let image = self.parameter(NEWEST)["Parameter"]["Value"].as_str().unwrap().to_owned();
        assert_eq!(self.new_version(&image, source).status, 200);
        self.scaling(
            "UpdateAutoScalingGroup",
            &[WEB, ("LaunchTemplate.LaunchTemplateId", "lt-web"), ("LaunchTemplate.Version", "4")],
        );
    }
}

const WEB: (&str, &str) = ("AutoScalingGroupName", "web");

fn texts(list: &Value, member: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[member].as_str().unwrap().to_owned()).collect()
}

fn desired(count: &'static str) -> [(&'static str, &'static str); 2] {
    [WEB, ("DesiredCapacity", count)]
}

#[test]
fn an_instance_is_pending_then_in_service_then_a_node() {
    let mut story = Story::of(FLEET);
    assert_eq!(story.kubelets("web"), ["1.33"; 3]);
    story.scaling("SetDesiredCapacity", &desired("4"));
    assert_eq!(story.states("web")[3], "Pending");
    story.wait(20);
    assert_eq!(story.states("web")[3], "InService");
    story.wait(39);
    assert_eq!(story.kubelets("web").len(), 3, "its kubelet is still starting");
    story.wait(1);
    assert_eq!(story.kubelets("web"), ["1.33"; 4]);
    story.settle(|_| ());
    assert_eq!(story.world.next_event(), None);
}

#[test]
fn what_goes_without_decrement_is_replaced_from_the_version_of_now() {
    let mut story = Story::of(FLEET);
    story.move_on(&[("SourceVersion", "$Latest")]);
    let old = story.instance(0);
    let fields = [("InstanceId", old.as_str()), ("ShouldDecrementDesiredCapacity", "false")];
    let answer = story.scaling("TerminateInstanceInAutoScalingGroup", &fields);
    assert!(answer.body.contains("<StatusCode>InProgress</StatusCode>"), "{}", answer.body);
    assert_eq!(story.states("web"), ["Terminating", "InService", "InService", "Pending"]);
    let leaving: Vec<Value> =
        story.group("web")["nodes"].as_array().unwrap().iter().map(|n| n["leaving"].clone()).collect();
    assert_eq!(leaving, [true, false, false].map(Value::from));
    let (kind, _) = story.scaling_refused("TerminateInstanceInAutoScalingGroup", &fields);
    assert_eq!(kind, "ScalingActivityInProgress", "it is going already");
    story.settle(|_| ());
    assert_eq!(story.kubelets("web"), ["1.33", "1.33", "1.34"]);
    let (kind, message) = story.scaling_refused("TerminateInstanceInAutoScalingGroup", &fields);
    assert!(kind == "ValidationError" && message.contains("No managed instance found"), "{message}");
}

#[test]
fn decrementing_stops_at_the_least_size() {
    let mut story = Story::of(FLEET);
    let end = |story: &mut Story, refused| {
        let id = story.instance(0);
        let fields = [("InstanceId", id.as_str()), ("ShouldDecrementDesiredCapacity", "true")];
        if refused {
            story.scaling_refused("TerminateInstanceInAutoScalingGroup", &fields).1
        } else {
            story.scaling("TerminateInstanceInAutoScalingGroup", &fields).body
        }
    };
    end(&mut story, false);
    story.settle(|_| ());
    assert_eq!((story.group("web")["desiredCapacity"].clone(), story.states("web").len()), (json!(2), 2));
    assert!(end(&mut story, true).contains("desiredSize equals minSize (2)"));
    assert_eq!(story.states("web"), ["InService"; 2]);
}

#[test]
fn sizes_stay_within_their_bounds() {
    let mut story = Story::of(FLEET);
    let (kind, message) = story.scaling_refused("SetDesiredCapacity", &desired("6"));
    assert_eq!(kind, "ValidationError");
    assert_eq!(message, "New SetDesiredCapacity value 6 is above max value 5 for the AutoScalingGroup.");
    assert!(story.scaling_refused("SetDesiredCapacity", &desired("1")).1.contains("below min value 2"));
    assert!(story.scaling_refused("UpdateAutoScalingGroup", &desired("6")).1.contains("between"));
    let fields = [WEB, ("MinSize", "6")];
    assert!(story.scaling_refused("UpdateAutoScalingGroup", &fields).1.contains("Max bound, 5"));
    story.scaling("UpdateAutoScalingGroup", &[WEB, ("MinSize", "4")]);
    assert_eq!(story.group("web")["desiredCapacity"], 4, "a bound takes what is wanted along");
    story.scaling("UpdateAutoScalingGroup", &[WEB, ("MinSize", "0"), ("MaxSize", "1")]);
    assert_eq!(story.group("web")["desiredCapacity"], 1);
    story.settle(|_| ());
    assert_eq!(story.states("web").len(), 1);
}

#[test]
fn the_oldest_template_version_goes_first() {
    let mut story = Story::of(FLEET);
    story.move_on(&[("SourceVersion", "3")]);
    story.scaling("SetDesiredCapacity", &desired("5"));
    story.settle(|_| ());
    assert_eq!(story.kubelets("web"), ["1.33", "1.33", "1.33", "1.34", "1.34"]);
    story.scaling("SetDesiredCapacity", &desired("3"));
    story.settle(|_| ());
    assert_eq!(story.kubelets("web"), ["1.33", "1.34", "1.34"]);
}

#[test]
fn the_fullest_zone_gives_before_the_oldest_version_does() {
    let mut story = Story::of(FLEET);
    let first = story.instance(0);
    let fields = [("InstanceId", first.as_str()), ("ShouldDecrementDesiredCapacity", "true")];
    story.scaling("TerminateInstanceInAutoScalingGroup", &fields);
    story.settle(|_| ());
    story.move_on(&[("SourceVersion", "3")]);
    // The first goes where none is, the second where as many are as elsewhere.
    story.scaling("SetDesiredCapacity", &desired("4"));
    story.settle(|_| ());
    assert_eq!(story.kubelets("web"), ["1.33", "1.33", "1.34", "1.34"]);
    story.scaling("SetDesiredCapacity", &desired("3"));
    story.settle(|_| ());
    assert_eq!(story.kubelets("web"), ["1.33", "1.33", "1.34"]);
}

#[test]
fn suspended_processes_do_nothing_until_they_are_resumed() {
    let mut story = Story::of(FLEET);
    let launch = [WEB, ("ScalingProcesses.member.1", "Launch")];
    assert!(story.scaling("SuspendProcesses", &launch).record.unwrap().mutated);
    assert!(!story.scaling("SuspendProcesses", &launch).record.unwrap().mutated, "it is suspended already");
    story.scaling("SetDesiredCapacity", &desired("5"));
    story.settle(|_| ());
    assert_eq!(story.states("web").len(), 3);
    story.scaling("ResumeProcesses", &launch);
    assert_eq!(story.states("web").len(), 5);
    story.scaling("SuspendProcesses", &[WEB]);
    assert_eq!(story.group("web")["suspended"].as_array().unwrap().len(), 9, "none named means all");
    story.scaling("SetDesiredCapacity", &desired("2"));
    assert!(!story.states("web").contains(&"Terminating".to_owned()));
    let unknown = [WEB, ("ScalingProcesses.member.1", "Sleep")];
    assert_eq!(story.scaling_refused("ResumeProcesses", &unknown).0, "ValidationError");
    story.scaling("ResumeProcesses", &[WEB, ("ScalingProcesses.member.1", "Terminate")]);
    story.settle(|_| ());
    assert_eq!(story.states("web").len(), 2);
}

#[test]
fn a_client_token_makes_one_version() {
    let mut story = Story::of(FLEET);
    let source = [("SourceVersion", "3"), ("ClientToken", "t")];
    let first = story.new_version("ami-1", &source);
    assert!(first.body.contains("<versionNumber>4</versionNumber>"), "{}", first.body);
    assert!(first.body.contains("<userData>"), "the rest is that of the version it is based on");
    let (first, again) = (first.record.unwrap(), story.new_version("ami-1", &source));
    assert!(again.body.contains("<versionNumber>4</versionNumber>"), "{}", again.body);
    let again = again.record.unwrap();
    assert_eq!((first.mutated, again.mutated, again.token.as_deref()), (true, false, Some("t")));
    assert_eq!(again.cluster.as_deref(), Some("a"));
    let other = story.new_version("ami-2", &source).record.unwrap();
    assert_eq!((other.status, other.error.as_deref()), (400, Some("IdempotentParameterMismatch")));
    let unknown = story.new_version("ami-2", &[("SourceVersion", "9")]).record.unwrap();
    assert_eq!(unknown.error.as_deref(), Some("InvalidLaunchTemplateId.VersionNotFound"));
}

#[test]
fn a_group_takes_no_template_that_cannot_be_launched() {
    let mut story = Story::of(FLEET);
    assert_eq!(story.new_version("ami-0c0ffee0000000001", &[("SourceVersion", "3")]).status, 200);
    let update = |story: &mut Story, part, value, version| {
        let template = (part, value);
        let fields = [WEB, template, ("LaunchTemplate.Version", version)];
        story.scaling_refused("UpdateAutoScalingGroup", &fields).1
    };
    let id = "LaunchTemplate.LaunchTemplateId";
    assert!(
        update(&mut story, id, "lt-web", "4")
            .contains("The image id '[ami-0c0ffee0000000001]' does not exist")
    );
    assert!(update(&mut story, id, "lt-web", "5").contains("no such version"));
    assert!(update(&mut story, id, "lt-none", "1").contains("does not exist"));
    assert!(update(&mut story, "LaunchTemplate.LaunchTemplateName", "none", "1").contains("does not exist"));
    assert_eq!(story.group("web")["launchTemplateVersion"], "3");
}

#[test]
fn without_user_data_nothing_joins() {
    let mut story = Story::of(FLEET);
    story.move_on(&[("LaunchTemplateData.InstanceType", "m7i.large")]);
    story.scaling("SetDesiredCapacity", &desired("4"));
    story.settle(|_| ());
    assert_eq!(
        (story.states("web"), story.kubelets("web")),
        (vec!["InService".to_owned(); 4], vec!["1.33".to_owned(); 3])
    );
}

#[test]
fn a_group_that_follows_the_latest_version_needs_no_update() {
    let fleet = FLEET.replace("version: 3}", "version: 3, default: 2, follow: latest}");
    let mut story = Story::of(&fleet);
    let image = story.parameter(NEWEST)["Parameter"]["Value"].as_str().unwrap().to_owned();
    story.new_version(&image, &[("SourceVersion", "$Default")]);
    story.scaling("SetDesiredCapacity", &desired("4"));
    story.settle(|_| ());
    assert_eq!(story.kubelets("web"), ["1.33", "1.33", "1.33", "1.34"]);
}

#[test]
fn groups_fare_as_the_fleet_file_says() {
    let mut story = with("fails_to_join: true");
    story.scaling("SetDesiredCapacity", &desired("4"));
    story.settle(|_| ());
    assert_eq!((story.states("web").len(), story.kubelets("web").len()), (4, 3));

    let mut story = with("terminates_slowly_s: 300");
    story.scaling("SetDesiredCapacity", &desired("2"));
    story.wait(299);
    assert!(story.states("web").contains(&"Terminating".to_owned()));
    story.wait(1);
    assert_eq!(story.states("web"), ["InService"; 2]);
    let told = story.scaling("DescribeScalingActivities", &[WEB]).body;
    assert!(told.contains("Terminating EC2 instance: i-0") && told.contains("Successful"), "{told}");
}

#[test]
fn launches_fail_for_ever_or_for_a_while() {
    let lack = "launch_fails: {code: InsufficientInstanceCapacity, message: No m7i.large left.";
    let mut story = with(&format!("{lack}}}"));
    story.scaling("SetDesiredCapacity", &desired("5"));
    assert_eq!(story.world.next_event(), None, "nothing would be otherwise later");
    assert_eq!(story.states("web").len(), 3);
    let told = story.scaling("DescribeScalingActivities", &[WEB]).body;
    assert!(
        told.contains("InsufficientInstanceCapacity: No m7i.large left.") && told.contains("Failed"),
        "{told}"
    );

    let mut story = with(&format!("{lack}, times: 2}}"));
    story.scaling("SetDesiredCapacity", &desired("5"));
    story.wait(119);
    assert_eq!(story.states("web").len(), 3);
    story.wait(1);
    assert_eq!(story.states("web").len(), 5);
    assert_eq!(story.group("web")["failedLaunches"].as_array().unwrap().len(), 2);
}

/// A group beside `web`, for the cluster of that name.
fn beside(cluster_tag: &str) -> [(&str, &str); 8] {
    [
        ("AutoScalingGroupName", "web-1-34"),
        ("LaunchTemplate.LaunchTemplateName", "web"),
        ("LaunchTemplate.Version", "4"),
        ("MinSize", "2"),
        ("MaxSize", "5"),
        ("VPCZoneIdentifier", "subnet-0a11,subnet-0c33"),
        ("Tags.member.1.Key", cluster_tag),
        ("Tags.member.1.Value", "owned"),
    ]
}

#[test]
fn a_group_takes_the_place_of_another() {
    let mut story = Story::of(FLEET);
    story.new_version(&story_image(), &[("SourceVersion", "3")]);
    let group = beside("kubernetes.io/cluster/a");
    let record = story.scaling("CreateAutoScalingGroup", &group).record.unwrap();
    assert_eq!(
        (record.cluster.as_deref(), record.nodegroup.as_deref(), record.mutated),
        (Some("a"), Some("web-1-34"), true)
    );
    assert_eq!(story.scaling_refused("CreateAutoScalingGroup", &group).0, "AlreadyExists");
    story.settle(|_| ());
    assert_eq!(story.kubelets("web-1-34"), ["1.34"; 2]);
    assert_eq!(story.scaling_refused("DeleteAutoScalingGroup", &[WEB]).0, "ResourceInUse");
    story.scaling("DeleteAutoScalingGroup", &[WEB, ("ForceDelete", "true")]);
    assert_eq!(story.states("web"), ["Terminating"; 3]);
    assert!(story.scaling("DescribeAutoScalingGroups", &[]).body.contains("Delete in progress"));
    assert_eq!(story.scaling_refused("SetDesiredCapacity", &desired("3")).0, "ScalingActivityInProgress");
    story.settle(|_| ());
    assert_eq!(story.group("web"), Value::Null);
    assert!(story.scaling_refused("SetDesiredCapacity", &desired("3")).1.contains("'web' not found"));
}

/// An image of 1.34.
fn story_image() -> String {
    Story::of(FLEET).parameter(NEWEST)["Parameter"]["Value"].as_str().unwrap().to_owned()
}

#[test]
fn a_group_needs_a_cluster_subnets_and_a_template() {
    let mut story = Story::of(FLEET);
    let whole = beside("kubernetes.io/cluster/a").to_vec();
    let refused = |story: &mut Story, fields: &[(&str, &str)]| {
        story.scaling_refused("CreateAutoScalingGroup", fields).1
    };
    assert!(refused(&mut story, &beside("kubernetes.io/cluster/b")).contains("kubernetes.io/cluster/NAME"));
    let change = |name: &str, value: &'static str| {
        whole.iter().map(|&(key, old)| (key, if key == name { value } else { old })).collect::<Vec<_>>()
    };
    assert!(refused(&mut story, &whole).contains("no such version"));
    let whole = change("LaunchTemplate.Version", "3");
    let without = |name: &str| whole.iter().filter(|(key, _)| *key != name).copied().collect::<Vec<_>>();
    assert!(refused(&mut story, &without("VPCZoneIdentifier")).contains("VPC Subnet is required"));
    assert!(refused(&mut story, &without("MaxSize")).contains("MaxSize is required"));
    let unknown = [without("VPCZoneIdentifier"), vec![("VPCZoneIdentifier", "subnet-x")]].concat();
    assert!(refused(&mut story, &unknown).contains("'subnet-x' does not exist"));
    let strange = [whole.clone(), vec![("MixedInstancesPolicy.LaunchTemplate", "x")]].concat();
    assert!(refused(&mut story, &strange).contains("no MixedInstancesPolicy.LaunchTemplate"));
    story.scaling("CreateAutoScalingGroup", &[whole, vec![("HealthCheckType", "EC2")]].concat());
}

#[test]
fn own_images_hold_what_the_file_says() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.34', self_managed: [{name: web, image: ami-mine1, max_size: 4, \
         images: {ami-mine1: '1.32', ami-mine2: '1.34'}, launch_template: {id: lt-web, name: web, version: 3}}]}]",
    );
    assert_eq!(story.kubelets("web"), ["1.32"; 3]);
    story.new_version("ami-mine2", &[("SourceVersion", "3")]);
    let template = [("LaunchTemplate.LaunchTemplateId", "lt-web"), ("LaunchTemplate.Version", "$Latest")];
    story.scaling("UpdateAutoScalingGroup", &[[WEB, ("DesiredCapacity", "4")], template].concat());
    story.settle(|_| ());
    assert_eq!(story.kubelets("web"), ["1.32", "1.32", "1.32", "1.34"]);
    assert_eq!(story.compute("DescribeImages", &[("ImageId.1", "ami-mine2")]).status, 200);
    assert_eq!(story.compute("DescribeImages", &[("ImageId.1", "ami-none")]).status, 400);
}

#[test]
fn parameters_tell_what_the_calendar_has() {
    let mut story = Story::of(FLEET);
    for name in [
        NEWEST.replace("1.34", "1.38"),
        // Released in October, and it is August.
        NEWEST.replace("1.34", "1.37"),
        NEWEST.replace("standard", "windows"),
        NEWEST.replace("x86_64", "riscv"),
        "/our/own".to_owned(),
    ] {
        assert_eq!(story.parameter(&name)["__type"], "ParameterNotFound", "{name}");
    }
    let release = story.parameter(&NEWEST.replace("image_id", "release_version"));
    assert_eq!(release["Parameter"]["Value"], "1.34.6-20260810");
    let bottlerocket = story.parameter("/aws/service/bottlerocket/aws-k8s-1.34/arm64/latest/image_id");
    let image = bottlerocket["Parameter"]["Value"].as_str().unwrap().to_owned();
    let told = story.compute("DescribeImages", &[("ImageId.1", &image)]).body;
    assert!(told.contains("<name>bottlerocket-aws-k8s-1.34-arm64-"), "{told}");
}

#[test]
fn faults_strike_by_operation_cluster_and_group() {
    let fault = "faults: [{match: {operation: SetDesiredCapacity, cluster: a, nodegroup: web}, times: always,
        error: {type: Throttling, message: Rate exceeded}}]";
    let mut story = Story::of(&format!("{FLEET}{fault}"));
    assert_eq!(
        story.scaling_refused("SetDesiredCapacity", &desired("4")),
        ("Throttling".to_owned(), "Rate exceeded".to_owned())
    );
    assert_eq!(story.states("web").len(), 3);
    let mut story = Story::of(&format!("{FLEET}{}", fault.replace("nodegroup: web", "nodegroup: db")));
    story.scaling("SetDesiredCapacity", &desired("4"));
}

#[test]
fn nobody_sees_the_groups_of_another_region() {
    let mut story = Story::of(FLEET);
    let signed = "AWS4-HMAC-SHA256 Credential=AKID/20260818/eu-west-1/autoscaling/aws4_request";
    let mut abroad = |action: &str, version: &str, fields: &[(&str, &str)]| {
        let headers = vec![("authorization".to_owned(), signed.to_owned())];
        story.send(version, &[&[("Action", action)], fields].concat(), headers)
    };
    assert!(!abroad("DescribeAutoScalingGroups", "2011-01-01", &[]).body.contains("web"));
    assert_eq!(abroad("SetDesiredCapacity", "2011-01-01", &desired("4")).status, 400);
    assert_eq!(
        abroad("DescribeLaunchTemplateVersions", "2016-11-15", &[("LaunchTemplateId", "lt-web")]).status,
        400
    );
    assert_eq!(abroad("DescribeSubnets", "2016-11-15", &[("SubnetId.1", "subnet-0a11")]).status, 400);
    assert_eq!(story.states("web").len(), 3);
}

#[test]
fn impossible_groups_are_refused_with_their_place() {
    let refusal = |group: &str| {
        let text = format!(
            "start: 2026-08-18T09:15:00Z\nclusters: [{{name: a, version: '1.34', self_managed: [{{name: web, {group}}}]}}]"
        );
        Fleet::parse(&text).unwrap_err().to_string()
    };
    for (group, said) in [
        ("min_size: 4", "clusters.a.self_managed.web: size 3 is not between"),
        ("max_size: 101", "at most 100"),
        ("version: '1.35'", "newer than the control plane"),
        ("release: 1.33.5-20251103", "1.34 has no image release"),
        ("image: ami-mine", "images has no ami-mine"),
        ("image: ami-mine, version: '1.34', images: {ami-mine: '1.34'}", "not both"),
        ("image: ami-mine, images: {ami-mine: '1.35'}", "newer than the control plane"),
        ("images: {mine: '1.34'}", "an image is ami-..."),
        ("subnets: [subnet-x]", "the cluster has no subnet subnet-x"),
        ("launch_template: {id: lt-1, name: web, version: 0}", "1..=1000"),
        ("launch_template: {id: lt-1, name: web, version: 2, default: 3}", "has no version 3"),
        ("terminates_slowly_s: 90000", "at most 86400"),
        ("launch_fails: {code: x, times: 0}", "at least 1"),
        ("}, {name: web", "group web stands there twice"),
        (
            "launch_template: {id: lt-1, name: x}}, {name: y, launch_template: {id: lt-1, name: y}",
            "launch template id lt-1 stands there twice",
        ),
        ("launch_template: {id: lt-1, name: y}}, {name: y", "launch template y stands there twice"),
    ] {
        let message = refusal(group);
        assert!(message.contains(said), "{group}: {message}");
    }
}

#[test]
fn a_cluster_that_is_added_brings_its_groups_but_not_those_of_others() {
    let mut story = Story::of(FLEET);
    let add = |story: &mut Story, name: &str, group: &str| {
        let body = json!({"name": name, "version": "1.34", "self_managed": [{"name": group}]});
        story.world.control(story.now, "POST", "/_sim/clusters", body.to_string().as_bytes()).status
    };
    assert_eq!(add(&mut story, "b", "web"), 400);
    assert_eq!(add(&mut story, "b", "db"), 200);
    assert_eq!(add(&mut story, "a", "web"), 200, "in its own place");
    story.scaling("SuspendProcesses", &[("AutoScalingGroupName", "db")]);
}

#[test]
fn what_goes_before_it_joined_never_is_a_node() {
    let mut story = with("terminates_slowly_s: 300");
    story.scaling("SetDesiredCapacity", &desired("4"));
    story.wait(30);
    let fresh = story.instance(3);
    let fields = [("InstanceId", fresh.as_str()), ("ShouldDecrementDesiredCapacity", "true")];
    story.scaling("TerminateInstanceInAutoScalingGroup", &fields);
    story.wait(100);
    assert_eq!(story.states("web")[3], "Terminating");
    assert_eq!(story.kubelets("web").len(), 3);
}

#[test]
fn a_group_is_deleted_when_its_instances_are_gone() {
    let mut story = Story::of(FLEET);
    story.scaling("UpdateAutoScalingGroup", &[WEB, ("MinSize", "0"), ("DesiredCapacity", "0")]);
    assert_eq!(story.scaling_refused("DeleteAutoScalingGroup", &[WEB]).0, "ScalingActivityInProgress");
    story.settle(|_| ());
    story.scaling("DeleteAutoScalingGroup", &[WEB]);
    assert_eq!(story.group("web"), Value::Null);
}

#[test]
fn tags_are_of_one_group_a_call() {
    let mut story = Story::of(FLEET);
    let tag = |group, value| {
        [
            ("Tags.member.1.ResourceId", group),
            ("Tags.member.1.Key", "run"),
            ("Tags.member.1.Value", value),
            ("Tags.member.1.PropagateAtLaunch", "true"),
        ]
    };
    let mutated = |story: &mut Story, value| {
        story.scaling("CreateOrUpdateTags", &tag("web", value)).record.unwrap().mutated
    };
    assert_eq!(
        [mutated(&mut story, "1"), mutated(&mut story, "1"), mutated(&mut story, "2")],
        [true, false, true]
    );
    let two =
        [&tag("web", "3")[..], &[("Tags.member.2.ResourceId", "db"), ("Tags.member.2.Key", "run")]].concat();
    for refused in [&two[..], &tag("db", "3"), &[]] {
        assert_eq!(story.scaling_refused("CreateOrUpdateTags", refused).0, "ValidationError");
    }
    story.scaling("SetDesiredCapacity", &desired("4"));
    let tagged = [("Filter.1.Name", "tag:run"), ("Filter.1.Value.1", "2")];
    let told = story.compute("DescribeInstances", &tagged).body;
    assert_eq!(told.matches("<instanceId>").count(), 1, "only what was launched since has it: {told}");
}

#[test]
fn requests_that_say_too_little_or_too_much_are_refused() {
    let mut story = Story::of(FLEET);
    let long = "x".repeat(256);
    let mut group = beside("kubernetes.io/cluster/a");
    group[0].1 = &long;
    assert!(story.scaling_refused("CreateAutoScalingGroup", &group).1.contains("at most 255"));
    let template = [("LaunchTemplateId", "lt-web")];
    let nothing = story.compute("CreateLaunchTemplateVersion", &template).record.unwrap();
    assert_eq!(nothing.error.as_deref(), Some("MissingParameter"));
    let both = [template[0], ("LaunchTemplateName", "web")];
    let both = story.compute("DescribeLaunchTemplateVersions", &both).record.unwrap();
    assert_eq!(both.error.as_deref(), Some("InvalidParameterCombination"));
    let both =
        [WEB, ("LaunchTemplate.LaunchTemplateId", "lt-web"), ("LaunchTemplate.LaunchTemplateName", "web")];
    assert!(story.scaling_refused("UpdateAutoScalingGroup", &both).1.contains("either launchTemplateId"));
    for names in [0, 11] {
        let answer = story.ask_ssm("GetParameters", &json!({"Names": vec![NEWEST; names]}));
        assert_eq!(answer["__type"], "ValidationException", "{names} names");
    }
}

#[test]
fn a_subnet_of_several_clusters_is_one_subnet() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34'}, {name: b, version: '1.34'}]");
    let told = story.compute("DescribeSubnets", &[]).body;
    assert_eq!(told.matches("<subnetId>").count(), 3, "{told}");
}
