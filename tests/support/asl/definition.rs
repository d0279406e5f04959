//! The definitions, read strictly: a field or a resource that the interpreter does not know is refused, with the
//! name of the state, and never passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::asl::expression::Template;
use crate::asl::retry::{Catcher, Retrier};
use crate::asl::tasks::Resource;

/// Step Functions' own bound on the name of a state, in characters.
const NAME_MAX: usize = 80;

const RESULT: &str = "result";
const ERROR: &str = "errorOutput";
const ITEM: &str = "context.Map.Item";
const TOKEN: &str = "context.Task.Token";
/// What of `$states` there is only in some fields.
const ELSEWHERE: [&str; 4] = [RESULT, ERROR, ITEM, TOKEN];

/// A list of states with its beginning: a machine's own, or what a Map does with each item.
#[derive(Debug)]
pub struct Level {
    /// The first.
    pub start_at: String,
    /// All of them.
    pub states: BTreeMap<String, State>,
}

/// One state machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its name in this account.
    pub name: String,
    /// Its states.
    pub level: Arc<Level>,
}

/// One state.
#[derive(Debug, Deserialize)]
#[serde(tag = "Type")]
pub enum State {
    /// Asks something of the world.
    Task(Box<Task>),
    /// Goes on.
    Pass(Pass),
    /// Goes on one of several ways.
    Choice(Choice),
    /// Waits.
    Wait(Wait),
    /// Does the same for each item.
    Map(Box<Map>),
    /// Ends badly.
    Fail(Fail),
    /// Ends well.
    Succeed(Succeed),
}

/// What most states have: variables to set, an output, and what is next.
#[derive(Debug)]
pub struct Exit {
    /// Variables to set.
    pub assign: Assign,
    /// The output, if it is not the state's own.
    pub output: Option<Template>,
    /// The next state; `None` at the end.
    pub next: Option<String>,
}

/// Variables to set, all at once.
#[derive(Debug, Default, Deserialize)]
pub struct Assign(pub BTreeMap<String, Template>);

/// See [`State::Task`].
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawTask")]
pub struct Task {
    /// What it asks.
    pub resource: Resource,
    /// With what.
    pub arguments: Template,
    /// What to try again.
    pub retry: Vec<Retrier>,
    /// What to go on from.
    pub catch: Vec<Catcher>,
    /// `TimeoutSeconds`.
    pub timeout: Option<Template>,
    /// `HeartbeatSeconds`.
    pub heartbeat: Option<Template>,
    /// How it goes on.
    pub exit: Exit,
}

/// See [`State::Pass`].
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawPass")]
pub struct Pass(pub Exit);

/// See [`State::Choice`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Choice {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    /// The ways, in order.
    pub choices: Vec<Rule>,
    /// The way where none of them is.
    pub default: Option<String>,
    /// Variables to set on the default's way.
    #[serde(default)]
    pub assign: Assign,
    /// The output on the default's way.
    pub output: Option<Template>,
}

/// One way.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Rule {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    /// Whether it is this one.
    pub condition: Template,
    /// Variables to set.
    #[serde(default)]
    pub assign: Assign,
    /// The output, if it is not the input.
    pub output: Option<Template>,
    /// Where it leads.
    pub next: String,
}

/// See [`State::Wait`].
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawWait")]
pub struct Wait {
    /// How long.
    pub seconds: Template,
    /// How it goes on.
    pub exit: Exit,
}

/// See [`State::Map`].
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawMap")]
pub struct Map {
    /// The items.
    pub items: Template,
    /// What each item's states are given, if it is not the item.
    pub selector: Option<Template>,
    /// How many at once; 0 is any number.
    pub at_once: Option<Template>,
    /// What to do with each.
    pub processor: Arc<Level>,
    /// What to try again.
    pub retry: Vec<Retrier>,
    /// What to go on from.
    pub catch: Vec<Catcher>,
    /// How it goes on.
    pub exit: Exit,
}

/// See [`State::Fail`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Fail {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    /// The error's name.
    pub error: Template,
    /// In words.
    pub cause: Template,
}

/// See [`State::Succeed`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Succeed {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    /// The output, if it is not the input.
    pub output: Option<Template>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawTask {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    resource: Resource,
    arguments: Template,
    #[serde(default)]
    retry: Vec<Retrier>,
    #[serde(default)]
    catch: Vec<Catcher>,
    timeout_seconds: Option<Template>,
    heartbeat_seconds: Option<Template>,
    #[serde(default)]
    assign: Assign,
    output: Option<Template>,
    next: Option<String>,
    end: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawPass {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    #[serde(default)]
    assign: Assign,
    output: Option<Template>,
    next: Option<String>,
    end: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawWait {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    seconds: Template,
    #[serde(default)]
    assign: Assign,
    output: Option<Template>,
    next: Option<String>,
    end: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawMap {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    items: Template,
    item_selector: Option<Template>,
    max_concurrency: Option<Template>,
    item_processor: RawProcessor,
    #[serde(default)]
    retry: Vec<Retrier>,
    #[serde(default)]
    catch: Vec<Catcher>,
    #[serde(default)]
    assign: Assign,
    output: Option<Template>,
    next: Option<String>,
    end: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawProcessor {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    #[serde(rename = "ProcessorConfig")]
    _config: RawConfig,
    start_at: String,
    states: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawConfig {
    #[serde(rename = "Mode")]
    _mode: Inline,
}

#[derive(Deserialize)]
enum Inline {
    #[serde(rename = "INLINE")]
    Inline,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawMachine {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    #[serde(rename = "QueryLanguage")]
    _query_language: QueryLanguage,
    start_at: String,
    states: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
enum QueryLanguage {
    #[serde(rename = "JSONata")]
    JsonAta,
}

fn exit(
    assign: Assign,
    output: Option<Template>,
    next: Option<String>,
    end: Option<bool>,
) -> Result<Exit, String> {
    if next.is_some() == (end == Some(true)) {
        return Err("it has to have either Next or End".into());
    }
    Ok(Exit { assign, output, next })
}

impl TryFrom<RawTask> for Task {
    type Error = String;

    fn try_from(raw: RawTask) -> Result<Self, String> {
        Ok(Self {
            resource: raw.resource,
            arguments: raw.arguments,
            retry: raw.retry,
            catch: raw.catch,
            timeout: raw.timeout_seconds,
            heartbeat: raw.heartbeat_seconds,
            exit: exit(raw.assign, raw.output, raw.next, raw.end)?,
        })
    }
}

impl TryFrom<RawPass> for Pass {
    type Error = String;

    fn try_from(raw: RawPass) -> Result<Self, String> {
        exit(raw.assign, raw.output, raw.next, raw.end).map(Self)
    }
}

impl TryFrom<RawWait> for Wait {
    type Error = String;

    fn try_from(raw: RawWait) -> Result<Self, String> {
        let exit = exit(raw.assign, raw.output, raw.next, raw.end)?;
        Ok(Self { seconds: raw.seconds, exit })
    }
}

impl TryFrom<RawMap> for Map {
    type Error = String;

    fn try_from(raw: RawMap) -> Result<Self, String> {
        Ok(Self {
            items: raw.items,
            selector: raw.item_selector,
            at_once: raw.max_concurrency,
            processor: Arc::new(Level::read(raw.item_processor.start_at, raw.item_processor.states)?),
            retry: raw.retry,
            catch: raw.catch,
            exit: exit(raw.assign, raw.output, raw.next, raw.end)?,
        })
    }
}

impl Machine {
    /// Reads a definition.
    pub fn read(name: &str, text: &str) -> Result<Self, String> {
        let raw: RawMachine = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let level = Level::read(raw.start_at, raw.states)?;
        level.check_scopes(&BTreeSet::new())?;
        level.check_names()?;
        level.check_reads(false)?;
        Ok(Self { name: name.to_owned(), level: Arc::new(level) })
    }
}

impl Machine {
    /// The names of all its states, those inside of Maps too.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        self.level.names()
    }
}

impl Level {
    fn names(&self) -> Vec<String> {
        let inside = |state: &State| match state {
            State::Map(map) => map.processor.names(),
            _ => Vec::new(),
        };
        self.states.iter().flat_map(|(name, state)| [vec![name.clone()], inside(state)].concat()).collect()
    }

    fn read(start_at: String, raw: BTreeMap<String, Value>) -> Result<Self, String> {
        let mut states = BTreeMap::new();
        for (name, value) in raw {
            let state = serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))?;
            states.insert(name, state);
        }
        let level = Self { start_at, states };
        level.check_ways()?;
        Ok(level)
    }

    /// No two states have the same name, wherever they are: a history tells them apart by nothing else.
    fn check_names(&self) -> Result<(), String> {
        let mut known = BTreeSet::new();
        for name in self.names() {
            if name.chars().count() > NAME_MAX {
                return Err(format!("{name}: its name has more than {NAME_MAX} characters"));
            }
            if let Some(twice) = known.replace(name) {
                return Err(format!("{twice}: there are two of this name"));
            }
        }
        Ok(())
    }

    /// What there is only in some fields is read only there: AWS refuses a definition that does otherwise.
    fn check_reads(&self, inside: bool) -> Result<(), String> {
        for (name, state) in &self.states {
            for (template, may) in state.templates(inside) {
                let stray = ELSEWHERE.iter().find(|part| template.reads(part) && !may.contains(part));
                if let Some(part) = stray {
                    return Err(format!("{name}: there is no $states.{part} in that field"));
                }
            }
            if let State::Map(map) = state {
                map.processor.check_reads(true)?;
            }
        }
        Ok(())
    }

    /// Every way leads to a state of the same level, and every state lies on one.
    fn check_ways(&self) -> Result<(), String> {
        let mut reached = BTreeSet::from([self.start_at.as_str()]);
        let mut open = vec![self.start_at.as_str()];
        while let Some(name) = open.pop() {
            let state = self.states.get(name).ok_or_else(|| format!("there is no state {name}"))?;
            state.check_rules().map_err(|why| format!("{name}: {why}"))?;
            open.extend(state.targets().into_iter().filter(|next| reached.insert(next)));
        }
        match self.states.keys().find(|name| !reached.contains(name.as_str())) {
            Some(name) => Err(format!("{name}: no way leads there")),
            None => Ok(()),
        }
    }

    /// What is set inside a Map is not what is set around it: there is no changing a variable from within.
    fn check_scopes(&self, around: &BTreeSet<&str>) -> Result<(), String> {
        let mut ours = BTreeSet::new();
        for (name, state) in &self.states {
            for variable in state.assigned() {
                if around.contains(variable) || variable == "states" {
                    return Err(format!("{name}: ${variable} is not its own to set"));
                }
                ours.insert(variable);
            }
        }
        ours.extend(around);
        let maps = self.states.values().filter_map(|state| match state {
            State::Map(map) => Some(&map.processor),
            _ => None,
        });
        maps.into_iter().try_for_each(|level| level.check_scopes(&ours))
    }
}

impl State {
    fn exit(&self) -> Option<&Exit> {
        match self {
            Self::Task(task) => Some(&task.exit),
            Self::Pass(pass) => Some(&pass.0),
            Self::Wait(wait) => Some(&wait.exit),
            Self::Map(map) => Some(&map.exit),
            Self::Choice(_) | Self::Fail(_) | Self::Succeed(_) => None,
        }
    }

    /// What it tries again, and what it goes on from.
    pub(crate) fn rules(&self) -> (&[Retrier], &[Catcher]) {
        match self {
            Self::Task(task) => (&task.retry, &task.catch),
            Self::Map(map) => (&map.retry, &map.catch),
            _ => (&[], &[]),
        }
    }

    /// Its fields, each with what it may read of what there is only in some of them; `inside` of a Map there is an item.
    fn templates(&self, inside: bool) -> Vec<(&Template, Vec<&'static str>)> {
        let mut all = Vec::new();
        let mut add = |template, may: &[&'static str]| {
            let item = inside.then_some(ITEM);
            all.push((template, may.iter().copied().chain(item).collect()));
        };
        if let Some(exit) = self.exit() {
            let may: &[_] = if matches!(self, Self::Task(_) | Self::Map(_)) { &[RESULT] } else { &[] };
            exit.assign.0.values().chain(&exit.output).for_each(|template| add(template, may));
        }
        for rule in self.rules().1 {
            rule.assign.0.values().chain(&rule.output).for_each(|template| add(template, &[ERROR]));
        }
        match self {
            Self::Task(task) => {
                let token: &[_] = if task.resource == Resource::InvokeAndWait { &[TOKEN] } else { &[] };
                add(&task.arguments, token);
                task.timeout.iter().chain(&task.heartbeat).for_each(|template| add(template, &[]));
            }
            Self::Map(map) => {
                [&map.items].into_iter().chain(&map.at_once).for_each(|template| add(template, &[]));
                map.selector.iter().for_each(|template| add(template, &[ITEM]));
            }
            Self::Choice(choice) => {
                let ours = choice.assign.0.values().chain(&choice.output);
                let theirs = choice
                    .choices
                    .iter()
                    .flat_map(|rule| rule.assign.0.values().chain(&rule.output).chain([&rule.condition]));
                ours.chain(theirs).for_each(|template| add(template, &[]));
            }
            Self::Wait(wait) => add(&wait.seconds, &[]),
            Self::Fail(fail) => {
                for template in [&fail.error, &fail.cause] {
                    add(template, &[]);
                }
            }
            Self::Succeed(succeed) => succeed.output.iter().for_each(|template| add(template, &[])),
            Self::Pass(_) => {}
        }
        all
    }

    fn targets(&self) -> Vec<&str> {
        let mut targets: Vec<&str> = self.exit().and_then(|exit| exit.next.as_deref()).into_iter().collect();
        targets.extend(self.rules().1.iter().map(|catcher| catcher.next.as_str()));
        if let Self::Choice(choice) = self {
            targets.extend(
                choice.choices.iter().map(|rule| rule.next.as_str()).chain(choice.default.as_deref()),
            );
        }
        targets
    }

    fn assigned(&self) -> Vec<&str> {
        let mut lists: Vec<&Assign> = self.exit().map(|exit| &exit.assign).into_iter().collect();
        lists.extend(self.rules().1.iter().map(|catcher| &catcher.assign));
        if let Self::Choice(choice) = self {
            lists.extend(choice.choices.iter().map(|rule| &rule.assign).chain([&choice.assign]));
        }
        lists.into_iter().flat_map(|assign| assign.0.keys().map(String::as_str)).collect()
    }

    /// `States.ALL` stands alone, and last; a Choice has a choice.
    fn check_rules(&self) -> Result<(), String> {
        let (retry, catch) = self.rules();
        retry.iter().try_for_each(Retrier::check)?;
        if matches!(self, Self::Choice(choice) if choice.choices.is_empty()) {
            return Err("Choices is empty".into());
        }
        let retried: Vec<&[String]> = retry.iter().map(|rule| &rule.error_equals[..]).collect();
        let caught: Vec<&[String]> = catch.iter().map(|rule| &rule.error_equals[..]).collect();
        for lists in [retried, caught] {
            for (at, names) in lists.iter().enumerate() {
                let all = names.iter().any(|name| name == "States.ALL");
                if names.is_empty() || all && (names.len() > 1 || at + 1 < lists.len()) {
                    return Err(format!(
                        "ErrorEquals {names:?} is empty, or States.ALL is not alone and last"
                    ));
                }
            }
        }
        Ok(())
    }
}
