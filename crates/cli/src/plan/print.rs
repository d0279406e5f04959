//! A plan in the terminal.

use eks_upgrade_core::command;
use eks_upgrade_core::finding::{Finding, Level};
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::preflight::CLUSTER;
use eks_upgrade_core::screen::because;

use super::ahead::FirstStep;
use super::{Ahead, Proposal};
use crate::policy::file::Source;
use crate::show;

fn bold(text: String) -> console::StyledObject<String> {
    console::style(text).bold()
}

/// An upgrade's, with the reasons for it and what comes next.
pub fn upgrade(proposal: &Proposal) {
    let Proposal { plan, calendar, meant, now, .. } = proposal;
    let lead = meant.document.lead();
    println!("{}", bold(format!("{}  {} → {}", plan.cluster.name, plan.from, plan.target)));
    if let Some(due) = calendar.due(plan.from, *now, lead) {
        println!("{}.", because(plan.from, due));
    }
    if let Some(usd) = calendar.cost_of_staying_usd(plan.from, *now).filter(|usd| *usd > 0.0) {
        println!(
            "Staying at {} until AWS upgrades by itself costs ${usd:.0} of extended support.",
            plan.from
        );
    }
    if plan.hops.is_empty() {
        println!("Nothing is left to do.");
    }
    body(proposal);
    let typical = show::duration(plan.typical_s());
    let steps = plan.steps().count();
    println!("\n{} control-plane upgrade(s), {steps} steps, about {typical}.", plan.upgrades());
    match plan.blocks().count() {
        0 => println!("Start it: {}", command::start(&plan.cluster.name, plan.target)),
        blocks => println!("{}", console::style(format!("{blocks} finding(s) block it.")).red()),
    }
}

/// Hops, findings, and what it would wait for.
pub fn body(proposal: &Proposal) {
    for line in goes_by(proposal) {
        println!("{line}");
    }
    hops(&proposal.plan);
    findings(&proposal.plan.findings);
    if !proposal.plan.hops.is_empty() && !proposal.is_blocked() {
        println!("\n{}", bold("Waits".into()));
        for line in waits(proposal, &Ahead::of(proposal)) {
            println!("{line}");
        }
    }
    if let Some(why) = &proposal.unread {
        println!(
            "\n{} {why}\n        → consents and the kill switch are not taken into account; is --stack right?",
            console::style("the deployment's table could not be read:").yellow()
        );
    }
}

/// Whose policy it is made by, and what that leaves unseen: nothing where a named file's is, which looks inside.
fn goes_by(proposal: &Proposal) -> Vec<String> {
    let looks = proposal.policy.kubernetes.may_look();
    let whose = match &proposal.meant.source {
        Source::File => None,
        Source::Deployment => Some("By the policy of the deployment.".to_owned()),
        Source::Default { unread } => Some(format!(
            "By the default policy: the deployment could not be asked for its own ({unread}); --policy FILE names one."
        )),
    };
    let unseen = "Nothing inside the cluster was looked at (workloads, budgets, nodes that EKS does not manage): \
                  kubernetes.access is off in this policy, and docs/kubernetes.md says how to have it looked at.";
    whose.into_iter().chain((!looks).then(|| unseen.to_owned())).collect()
}

fn hops(plan: &Plan) {
    for (at, hop) in plan.hops.iter().enumerate() {
        let typical = show::duration(hop.typical_s());
        let title = format!("Hop {} of {}: {}  (about {typical})", at + 1, plan.hops.len(), hop.to);
        println!("\n{}", bold(title));
        let mut table = show::table(&["step", "about", "why"]);
        for step in &hop.steps {
            table.add_row([step.kind.to_string(), show::duration(step.span.typical_s), step.reason.clone()]);
        }
        println!("{table}");
    }
}

fn findings(findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    println!("\n{}", bold("Findings".into()));
    let (mut said, quiet): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.level > Level::Pass || !is_check(finding));
    said.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    for finding in said {
        println!("{} {} {}: {}", level(finding.level), finding.code, finding.subject, finding.message);
        if !finding.next_action.is_empty() {
            println!("        → {}", finding.next_action);
        }
    }
    // What was looked at and found in order is a line for all of it: `--json` has each.
    if !quiet.is_empty() {
        println!("{} {} checks found nothing", level(Level::Pass), quiet.len());
    }
    if findings.iter().any(|finding| finding.level > Level::Pass) {
        println!("        eks-upgrade explain CODE says what one is about, and where that is written");
    }
}

/// Whether a finding only says that its check found nothing.
fn is_check(finding: &Finding) -> bool {
    finding.subject == CLUSTER && finding.next_action.is_empty()
}

fn level(level: Level) -> console::StyledObject<&'static str> {
    match level {
        Level::Pass => console::style("pass   ").green(),
        Level::Warn => console::style("warn   ").yellow(),
        Level::Unknown => console::style("unknown").magenta(),
        Level::Block => console::style("block  ").red(),
    }
}

fn waits(proposal: &Proposal, ahead: &Ahead) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(switch) = proposal.controls.thrown() {
        lines.push(format!("the kill switch is thrown by {} ({}): nothing starts", switch.by, switch.reason));
    }
    lines.push(match &ahead.first_step {
        None => "no step changes anything".to_owned(),
        Some(FirstStep::Now) => "the first step may start at once".to_owned(),
        Some(FirstStep::Later { at, text }) => {
            let left = show::until(proposal.now, *at);
            format!("the first step may start on {} UTC, in {left}: {text}", show::minute(*at))
        }
        Some(FirstStep::Never { text }) => format!("the first step never starts: {text}"),
    });
    for wanted in &ahead.approvals {
        let open = show::length(wanted.expires);
        lines.push(format!("a yes is asked before: {} (open for {open})", wanted.before));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::proposal;

    #[test]
    fn what_was_not_looked_at_is_said_and_whose_policy_that_comes_from() {
        let mut off = proposal("");
        assert!(matches!(&goes_by(&off)[..], [line] if line.contains("kubernetes.access is off")));
        off.meant.source = Source::Default { unread: "no such function".into() };
        let lines = goes_by(&off);
        assert!(lines[0].contains("default policy") && lines[0].contains("no such function"), "{lines:?}");
        assert_eq!(lines.len(), 2);
        let mut read = proposal("kubernetes: {access: read}");
        assert_eq!(goes_by(&read), Vec::<String>::new());
        read.meant.source = Source::Deployment;
        assert_eq!(goes_by(&read), ["By the policy of the deployment."]);
    }
}
