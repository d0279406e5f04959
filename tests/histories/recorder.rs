//! Plays a story and writes down its run: the ledger, and every decision with what it followed from.

use std::cell::RefCell;
use std::rc::Rc;

use eks_upgrade_core::contract::{DecideRequest, Question};
use eks_upgrade_core::ids::RunId;
use eks_upgrade_pipeline::decide::Decided as Reply;
use eks_upgrade_pipeline::question::Replied;
use eks_upgrade_support::{Function, lambda};
use serde_json::Value;

use crate::history::{Asked, Decided, History};
use crate::stories::Story;

type Heard = Rc<RefCell<Vec<(RunId, Decided)>>>;

/// The history of a story's run. A story has one run.
pub fn record(story: &Story) -> History {
    let fleet = (story.fleet)();
    let heard = Heard::default();
    fleet.function("${DecideFunctionArn}", listening(heard.clone()));
    (story.happens)(&fleet);
    assert_eq!(fleet.wrongs(), Vec::<String>::new(), "{}", story.name);
    let runs = fleet.table.memory.kept().lines.clone();
    let [(run, lines)] = &runs.iter().collect::<Vec<_>>()[..] else {
        panic!("{} has {} runs", story.name, runs.len())
    };
    let decisions = heard.take().into_iter().filter(|(of, _)| of == *run).map(|(_, decided)| decided);
    History {
        story: story.words.to_owned(),
        run: (*run).clone(),
        lines: lines.iter().map(Into::into).collect(),
        decisions: decisions.collect(),
    }
}

/// The decide function, with somebody who listens.
fn listening(heard: Heard) -> Function {
    Rc::new(move |fleet, payload| {
        lambda(payload, async |question: Question| match question {
            Question::Run(DecideRequest::Decide { run, fence, hop, execution }) => {
                let round = fleet.decider().round(&run, fence, hop, &execution).await?;
                let world = Box::new(round.world);
                let asked = Asked::Decide { hop, now: round.now, controls: round.controls, world };
                let answer = json(&round.decision);
                heard.borrow_mut().push((run, Decided { after: round.seq, asked, answer }));
                Ok(Replied::Run(Reply::Decision(round.decision)))
            }
            Question::Run(asked) => {
                let reply = fleet.decider().answer(&asked).await?;
                if let (DecideRequest::NextHop { run, .. }, Reply::NextHop(next)) = (&asked, &reply) {
                    let after = fleet.run(run).seq;
                    let decided = Decided { after, asked: Asked::NextHop, answer: json(next) };
                    heard.borrow_mut().push((run.clone(), decided));
                }
                Ok(Replied::Run(reply))
            }
            Question::Campaign(asked) => fleet.campaigning().answer(&asked).await.map(Replied::Campaign),
        })
    })
}

fn json(answer: &impl serde::Serialize) -> Value {
    serde_json::to_value(answer).expect("an answer is JSON")
}
