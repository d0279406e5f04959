//! Walks a roll through the little world as the kube function does: a line, its effect, the line after it. It may die
//! anywhere; what goes on is what the lines say.

use eks_upgrade_core::inside::{Inside, Template};
use eks_upgrade_core::remedy::Failure;
use eks_upgrade_core::roll::{
    Effect, Held, Move, Moved, NodePhase, Paused, Roll, Scene, Verdict, Way, beside, denied, next,
    pause_after,
};
use jiff::Timestamp;

use super::world::{GROUP, TEMPLATE, TO, World};
use crate::given::minor;

/// Where somebody dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    BeforeTheLine,
    BeforeTheEffect,
    AfterTheEffect,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    Failed(Failure),
}

/// What is asked for, and what stands against it.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub way: Way,
    pub surge: u32,
    pub may_force: bool,
    /// The control plane goes back a minor at that move.
    pub back_at: Option<usize>,
    /// What is denied.
    pub denies: Option<Denies>,
}

/// Permissions that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denies {
    Template,
    Sizes,
    Terminate,
    Cordon,
    Autoscaler,
}

impl Denies {
    fn denies(self, effect: &Effect) -> bool {
        match self {
            Self::Template => matches!(effect, Effect::MakeTemplate),
            Self::Sizes => {
                matches!(effect, Effect::Surge { .. } | Effect::MakeGroup { .. } | Effect::Restore { .. })
            }
            Self::Terminate => matches!(effect, Effect::Terminate { .. }),
            Self::Cordon => matches!(effect, Effect::Cordon { .. } | Effect::Release { .. }),
            Self::Autoscaler => {
                matches!(effect, Effect::PauseAutoscaler { .. } | Effect::ResumeAutoscaler { .. })
            }
        }
    }
}

impl Default for Order {
    fn default() -> Self {
        Self { way: Way::InPlace, surge: 1, may_force: false, back_at: None, denies: None }
    }
}

/// A drain's limit in these tests, in seconds.
pub const DRAIN_S: u32 = 900;

/// A roll under way.
pub struct Walk {
    pub world: World,
    pub order: Order,
    pub lines: Vec<(Moved, Timestamp)>,
    pub roll: Option<Roll>,
    /// The most old nodes that were out at a time.
    pub out_max: usize,
    /// Why no node may be begun, as long as somebody says so.
    pub held: Option<&'static str>,
    /// Whether that takes long.
    pub long: bool,
    /// Why the cluster cannot be seen, as long as somebody says so.
    pub unseen: Option<&'static str>,
    /// Cluster Autoscaler as another roll, or an earlier attempt, found it.
    pub paused_elsewhere: Option<Paused>,
    /// Whether another roll needs it paused.
    pub needed_elsewhere: bool,
    /// Whether nothing comes through that puts things in order.
    pub mends_nothing: bool,
    /// How often it dies, and where: asked at each line.
    pub deaths: Vec<Option<Death>>,
    moves: usize,
    /// When the step began.
    pub since: Timestamp,
}

impl Walk {
    pub fn new(world: World, order: Order) -> Self {
        let (lines, roll, deaths) = (Vec::new(), None, Vec::new());
        Self {
            since: world.now,
            world,
            order,
            lines,
            roll,
            out_max: 0,
            held: None,
            long: false,
            unseen: None,
            paused_elsewhere: None,
            needed_elsewhere: false,
            mends_nothing: false,
            deaths,
            moves: 0,
        }
    }

    /// To its end, however many looks that takes; `None` where it takes too many.
    pub fn end(&mut self) -> Option<End> {
        self.end_with(|_, _| {})
    }

    /// The same, where others act between two looks.
    pub fn end_with(&mut self, mut others: impl FnMut(&mut Self, usize)) -> Option<End> {
        for look in 0..6000 {
            others(self, look);
            if let Some(end) = self.look() {
                return Some(end);
            }
        }
        None
    }

    /// Until something is so.
    pub fn until(&mut self, mut so: impl FnMut(&mut Self) -> bool) {
        for _ in 0..500 {
            if so(self) {
                return;
            }
            assert_eq!(self.look(), None, "it ended before: {:#?}", self.told());
        }
        panic!("it never came to that: {:#?}", self.told());
    }

    /// Whether this was meant.
    pub fn has(&self, line: &str) -> bool {
        self.told().iter().any(|told| told == line)
    }

    /// One look, and what follows from it.
    pub fn look(&mut self) -> Option<End> {
        let verdict = self.verdict();
        match verdict {
            Verdict::Do(moves) => {
                let pause_s = pause_after(&moves);
                for one in moves {
                    // Every call takes a moment.
                    if !self.make(one) {
                        break;
                    }
                }
                self.world.pass(pause_s.unwrap_or(1));
            }
            Verdict::Wait { seconds, .. } => self.world.pass(seconds.max(1)),
            Verdict::Done => return Some(End::Done),
            Verdict::Failed(failure) => return Some(End::Failed(failure)),
        }
        self.check();
        None
    }

    pub fn verdict(&self) -> Verdict {
        let seen = || self.world.inside();
        let inside = self.unseen.map_or_else(seen, |why| Inside::unread(self.world.now, why));
        let group = self.world.group(GROUP);
        let new_group = match self.order.way {
            Way::InPlace => None,
            Way::NewGroup => self.world.group(&beside(GROUP, minor(TO))),
        };
        let went_back = self.order.back_at.is_some_and(|at| self.moves >= at);
        let scene = Scene {
            inside: &inside,
            group: group.as_ref(),
            new_group: new_group.as_ref(),
            control_plane: minor(if went_back { TO - 1 } else { TO }),
            to: minor(TO),
            way: self.order.way,
            surge: self.order.surge,
            drain_limit_s: DRAIN_S,
            may_force: self.order.may_force,
            held: self.held.map(|why| Held { why, long: self.long }),
            paused_elsewhere: self.paused_elsewhere.as_ref(),
            needed_elsewhere: self.needed_elsewhere,
            since: self.since,
            now: self.world.now,
        };
        next(self.roll.as_ref(), &scene)
    }

    /// `false`: somebody died over it.
    fn make(&mut self, one: Move) -> bool {
        self.moves += 1;
        let moved = match one {
            Move::Evict { name, .. } => {
                self.world.evict(&name);
                return true;
            }
            Move::Do(moved) => moved,
        };
        let death = self.deaths.pop().flatten();
        if death == Some(Death::BeforeTheLine) {
            return false;
        }
        self.line(moved.clone());
        let Moved::Meant { effect } = moved else { return true };
        if death == Some(Death::BeforeTheEffect) {
            return false;
        }
        if self.order.denies.is_some_and(|denies| denies.denies(&effect)) {
            assert!(!effect.mends(), "what was never done is put in order: {effect:?}");
            self.line(Moved::GivenUp { failure: denied("it", "you may not"), denied: true });
            return false;
        }
        if self.mends_nothing && effect.mends() {
            return false;
        }
        self.world.make(&effect);
        if death == Some(Death::AfterTheEffect) {
            return false;
        }
        self.line(match effect {
            Effect::MakeTemplate => Moved::TemplateMade {
                template: Template { id: TEMPLATE.into(), version: "2".into() },
                image: "ami-2".into(),
            },
            effect => Moved::Made { effect },
        });
        true
    }

    /// A line that may not follow would break the ledger.
    fn line(&mut self, moved: Moved) {
        let at = self.world.now;
        let roll = Roll::after(self.roll.take(), &moved, at);
        assert!(roll.is_some(), "{moved:?} may not follow on {:#?}", self.lines);
        self.roll = roll;
        self.lines.push((moved, at));
        self.count_out();
    }

    /// Whoever goes on has the lines alone.
    pub fn read_again(&self) -> Option<Roll> {
        self.lines.iter().fold(None, |roll, (moved, at)| Roll::after(roll, moved, *at))
    }

    fn count_out(&mut self) {
        let nodes = self.roll.iter().flat_map(|roll| roll.nodes.values());
        let out = nodes.filter(|node| !node.surplus && node.phase.is_unfinished()).count();
        self.out_max = self.out_max.max(out);
    }

    /// Nothing is cordoned that is not on record as such, apart from what others cordon.
    fn check(&mut self) {
        let Some(roll) = &self.roll else { return };
        for node in self.world.cordoned() {
            let recorded = roll.nodes.get(&node).is_some_and(|node| {
                let stays = [NodePhase::Terminated, NodePhase::Left];
                node.phase.is_unfinished() || stays.contains(&node.phase)
            });
            if !recorded && !roll.was_cordoned(&node) {
                self.world.wrongs.push(format!("{node} is cordoned, and nobody says so"));
            }
        }
    }

    /// The lines, a word or two each.
    pub fn told(&self) -> Vec<String> {
        self.lines.iter().filter_map(|(moved, _)| tell(moved)).collect()
    }
}

/// The lines that a story is made of: what was meant, where it was made is left out.
fn tell(moved: &Moved) -> Option<String> {
    Some(match moved {
        Moved::Meant { effect } => match effect {
            Effect::PauseAutoscaler { .. } => "pause the autoscaler".into(),
            Effect::ResumeAutoscaler { .. } => "resume the autoscaler".into(),
            Effect::MakeTemplate => "make a template".into(),
            Effect::Surge { sizes, .. } => format!("room for {}", sizes.desired),
            Effect::MakeGroup { sizes, .. } => format!("a group of {} beside it", sizes.desired),
            Effect::Cordon { node, surplus: false, .. } => format!("cordon {node}"),
            Effect::Cordon { node, .. } => format!("cordon the surplus {node}"),
            Effect::DeletePods { node, pods, .. } => format!("delete {} pods on {node}", pods.len()),
            Effect::Terminate { node, shrink: true, .. } => format!("end {node} for good"),
            Effect::Terminate { node, .. } => format!("end {node}"),
            Effect::Release { node } => format!("release {node}"),
            Effect::Restore { sizes, .. } => format!("sizes {}/{}/{}", sizes.min, sizes.desired, sizes.max),
            Effect::DeleteGroup { .. } => "delete the old group".into(),
        },
        Moved::GivenUp { failure, .. } => format!("give up: {}", failure.code),
        Moved::Begun { .. } => "begin".into(),
        Moved::Gone { node } => format!("{node} is gone"),
        Moved::Left { effect } => format!("leave it: {effect}"),
        Moved::Unseen { .. } => "unseen".into(),
        Moved::Seen => "seen".into(),
        Moved::Made { .. }
        | Moved::TemplateMade { .. }
        | Moved::Emptied { .. }
        | Moved::Unsettled { .. }
        | Moved::Settled => return None,
    })
}
