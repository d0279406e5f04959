//! scratch
use eks_upgrade_model::protocol::{Action, Protocol};
use eks_upgrade_model::setup::{Setup, Work};
use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn scratch() {
    let var = |name: &str, default: &str| std::env::var(name).unwrap_or(default.into());
    let faults: u8 = var("F", "0").parse().unwrap();
    let leaps: u8 = var("L", "0").parse().unwrap();
    let works = var("W", "c");
    let others = var("O", "ns");
    let limit: u64 = var("T", "120").parse().unwrap();
    for (name, work) in [("c", Work::ControlPlane), ("n", Work::NodeGroup), ("m", Work::NodeGroups)] {
        if !works.contains(name) {
            continue;
        }
        for (key, other) in [("n", None), ("s", Some("force"))] {
            if !others.contains(key) {
                continue;
            }
            let start = std::time::Instant::now();
            let model = Protocol::new(Setup::of(work).faults(faults).leaps(leaps).asking(vec![None, other]));
            let checker = model
                .checker()
                .finish_when(HasDiscoveries::All)
                .timeout(std::time::Duration::from_secs(limit))
                .spawn_bfs()
                .join();
            println!(
                "{work:?} {other:?} F={faults} L={leaps}: states {} unique {} depth {} done {} {:?} {:?}",
                checker.state_count(),
                checker.unique_state_count(),
                checker.max_depth(),
                checker.is_done(),
                start.elapsed(),
                checker.model().interned().counts()
            );
            for (name, path) in checker.discoveries() {
                println!("  {name}: {}", checker.discovery_classification(name));
                if checker.discovery_classification(name).to_string() == "counterexample" {
                    let model = checker.model();
                    for (state, action) in path.into_vec() {
                        let what = match action {
                            Some(Action::Call(who, place, fate)) => {
                                let id = who.at(&state);
                                let interned = model.interned();
                                let point = interned.point(id);
                                let asked = point
                                    .open
                                    .iter()
                                    .find(|(p, _)| *p == place)
                                    .map(|(_, a)| format!("{a:?}").chars().take(90).collect::<String>());
                                format!("{who:?} {fate:?} {asked:?}")
                            }
                            Some(Action::Reply(e, t)) => {
                                let interned = model.interned();
                                let point = interned.point(state.executions[e].tasks[t]);
                                format!(
                                    "Reply {e}: {}",
                                    format!("{:?}", point.reply).chars().take(200).collect::<String>()
                                )
                            }
                            other => format!("{other:?}"),
                        };
                        println!("    {what}");
                    }
                }
            }
            println!("  notes {:?}", checker.model().interned().notes());
        }
    }
}
