//! The world without a server: time is an argument here, so whole upgrades take microseconds.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
use eks_upgrade_sim::Request;
use serde_json::{Value, json};
use story::Story;

mod story;

fn kubelets(group: &Value) -> Vec<&str> {
    group["nodes"].as_array().unwrap().iter().map(|node| node["kubeletVersion"].as_str().unwrap()).collect()
}

const WEB: &str = "clusters: [{name: a, version: '1.34', nodegroups: [{name: web, size: 3}]}]";

#[test]
fn a_started_update_hides_at_first_and_its_end_may_too() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.34', faults: [{match: {operation: UpdateClusterVersion}, stale_s: 90}]}]",
    );
    let id = story.start("/clusters/a/updates", &json!({"version": "1.35"}));
    let update = format!("/clusters/a/updates/{id}");
    story.wait(89);
    assert_eq!(story.read("/clusters/a")["cluster"]["status"], "ACTIVE");
    assert_eq!(story.read("/clusters/a/updates")["updateIds"], json!([]));
    assert_eq!(story.call("GET", &update, &Value::Null).0, 404);
    story.wait(1);
    assert_eq!(story.read("/clusters/a")["cluster"]["status"], "UPDATING");
    assert_eq!(story.read(&update)["update"]["status"], "InProgress");
    story.settle(|_| ());
    assert_eq!(story.read(&update)["update"]["status"], "Successful");
    assert_eq!(story.read("/clusters/a")["cluster"]["version"], "1.34");
    story.wait(90);
    assert_eq!(story.read("/clusters/a")["cluster"]["version"], "1.35");
}

#[test]
fn reads_know_of_an_update_after_at_most_the_visibility() {
    for seed in 0..50 {
        let mut story =
            Story::of(&format!("visibility_s: 5\nseed: {seed}\nclusters: [{{name: a, version: '1.34'}}]"));
        let id = story.start("/clusters/a/updates", &json!({"version": "1.35"}));
        story.wait(5);
        assert_eq!(story.read(&format!("/clusters/a/updates/{id}"))["update"]["status"], "InProgress");
    }
}

#[test]
fn what_hangs_ends_once_all_is_well_however_far_it_had_come() {
    for waited_s in [0, 60, 7_200] {
        let mut story = Story::of(
            "clusters: [{name: a, version: '1.34', nodegroups: [{name: web, size: 3, version: '1.33'}], \
             faults: [{match: {operation: UpdateNodegroupVersion}, stuck: true}]}]",
        );
        let id = story.start("/clusters/a/node-groups/web/update-version", &json!({"version": "1.34"}));
        story.wait(waited_s);
        story.world.advance(story.now);
        story.world.heal();
        story.settle(|_| ());
        let group = &story.cluster()["nodegroups"]["web"];
        assert_eq!(group["status"], "ACTIVE", "healed after {waited_s} s, update {id}: {group}");
    }
}

#[test]
fn a_node_group_goes_through_its_phases() {
    let mut story = Story::of(WEB);
    story.start("/clusters/a/updates", &json!({"version": "1.35"}));
    story.settle(|_| ());
    story.start("/clusters/a/node-groups/web/update-version", &json!({"version": "1.35"}));
    let mut told: Vec<String> = Vec::new();
    story.settle(|cluster| {
        let group = &cluster["nodegroups"]["web"];
        let old = kubelets(group).iter().filter(|version| **version == "1.34").count();
        let phase = group["phase"].as_str().unwrap_or("done");
        told.push(format!("{phase} {old}+{}", kubelets(group).len() - old));
    });
    told.dedup();
    assert_eq!(
        told.join(", "),
        "setup 3+0, scale-up 3+0, upgrade 3+6, upgrade 2+7, upgrade 1+8, scale-down 0+9, scale-down 0+8, \
         scale-down 0+7, scale-down 0+6, scale-down 0+5, scale-down 0+4, scale-down 0+3, done 0+3"
    );
}

#[test]
fn a_failed_drain_leaves_mixed_nodes_and_the_old_configuration() {
    let mut mixed = 0;
    for seed in 0..40 {
        let mut story = Story::of(&format!(
            "seed: {seed}\nclusters: [{{name: a, version: '1.34', nodegroups: [{{name: db, size: 4, pdb: blocks}}]}}]"
        ));
        story.start("/clusters/a/updates", &json!({"version": "1.35"}));
        story.settle(|_| ());
        let path = "/clusters/a/node-groups/db/update-version";
        story.start(path, &json!({"version": "1.35"}));
        story.settle(|_| ());
        let group = &story.cluster()["nodegroups"]["db"];
        assert_eq!((group["version"].as_str(), group["status"].as_str()), (Some("1.34"), Some("ACTIVE")));
        assert_eq!(kubelets(group).len(), 4);
        assert!(kubelets(group).contains(&"1.34"));
        mixed += u32::from(kubelets(group).contains(&"1.35"));
        story.start(path, &json!({"version": "1.35", "force": true}));
        story.settle(|_| ());
        assert_eq!(kubelets(&story.cluster()["nodegroups"]["db"]), ["1.35"; 4]);
    }
    assert!((10..40).contains(&mixed), "{mixed} of 40 ended mixed");
}

#[test]
fn clusters_and_node_groups_come_and_go_when_their_time_comes() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.34', deleted_after_m: 40, recreated_after_m: 60, nodegroups: \
         [{name: late, appears_after_m: 10}, {name: early, deleted_after_m: 20}]}]\n\
         acts: [{after_m: 5, act: {what: tag, cluster: a, tags: {x: y}}}]",
    );
    let born = story.cluster()["createdAt"].clone();
    let arn = story.cluster()["arn"].clone();
    let mut told = Vec::new();
    story.settle(|cluster| {
        let groups: Vec<String> = cluster["nodegroups"]
            .as_object()
            .map(|groups| groups.keys().cloned().collect())
            .unwrap_or_default();
        told.push(format!("{} {}", groups.join("+"), cluster["tags"]["x"].as_str().unwrap_or("-")));
    });
    // The cluster that comes again lives through its node groups' times again.
    assert_eq!(told, ["early y", "early+late y", "late y", " -", "early -", "early+late -", "late -"]);
    assert_eq!(story.cluster()["arn"], arn);
    assert_ne!(story.cluster()["createdAt"], born);
}

#[test]
fn a_person_upgrades_and_rolls_back_at_set_times() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.34'}]\nacts: [{after_m: 5, act: {what: upgrade, cluster: a}}, \
         {after_m: 50, act: {what: roll_back, cluster: a}}]",
    );
    let mut versions = Vec::new();
    story.settle(|cluster| versions.push(cluster["version"].as_str().unwrap_or_default().to_owned()));
    versions.dedup();
    assert_eq!(versions, ["1.34", "1.35", "1.34"]);
    assert!(story.cluster()["updates"].as_array().unwrap().iter().all(|update| update["by"] == "someone"));
}

#[test]
fn the_notice_window_decides_which_health_events_there_are() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34'}, {name: b, version: '1.35'}]");
    let request = |operation: &str, body: Value| Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: vec![("x-amz-target".to_owned(), format!("AWSHealth_20160804.{operation}"))],
        body: body.to_string().into_bytes(),
        ..Request::default()
    };
    let response = story.world.handle(story.now, &request("DescribeEvents", json!({})));
    let events: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    let arn = &events["events"][0]["arn"];
    let mut statuses = Vec::new();
    story.start("/clusters/a/updates", &json!({"version": "1.35"}));
    for hours in [0, 1, 30] {
        story.wait(hours * 3600);
        let ask = request("DescribeAffectedEntities", json!({"filter": {"eventArns": [arn]}}));
        let answer: Value = serde_json::from_str(&story.world.handle(story.now, &ask).body).unwrap();
        statuses.push(answer["entities"][0]["statusCode"].as_str().unwrap().to_owned());
    }
    assert_eq!(statuses, ["PENDING", "PENDING", "RESOLVED"], "Health learns late");
}

#[test]
fn the_same_requests_at_the_same_instants_give_the_same_world() {
    let tell = |seed: u32| {
        let mut story = Story::of(&format!("seed: {seed}\n{WEB}"));
        story.start("/clusters/a/updates", &json!({"version": "1.35"}));
        story.settle(|_| ());
        story.start("/clusters/a/node-groups/web/update-version", &json!({"version": "1.35"}));
        story.settle(|_| ());
        story.world.state().to_string()
    };
    assert_eq!(tell(1), tell(1));
    assert_ne!(tell(1), tell(2));
}

#[test]
fn time_does_not_run_backwards() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34'}]");
    let id = story.start("/clusters/a/updates", &json!({"version": "1.35"}));
    story.settle(|_| ());
    story.wait(-3600);
    assert_eq!(story.read(&format!("/clusters/a/updates/{id}"))["update"]["status"], "Successful");
}

#[test]
fn no_request_makes_it_fall_over() {
    let mut story = Story::of(WEB);
    for path in ["", "/", "//", "/clusters/%ff%00", "/clusters/a/updates", "/tags/arn:aws:eks", "/_nothing"] {
        for body in ["", "{", "[]", "null", "{\"version\": 3}", "{\"version\": \"1.99999999999\"}"] {
            for method in ["GET", "POST", "DELETE", "BREW"] {
                let request = Request {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    query: "maxResults=-1&nextToken=%00".to_owned(),
                    body: body.as_bytes().to_vec(),
                    ..Request::default()
                };
                let response = story.world.handle(story.now, &request);
                assert!(response.status == 200 || !response.body.is_empty());
                assert_ne!(response.status, 500, "{method} {path} {body}");
            }
        }
    }
    assert_eq!(story.cluster()["version"], "1.34");
}
