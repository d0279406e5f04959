//! What a fiber does in each kind of state, and how it gets from one to the next.

use jsonata_core::value::JValue;
use serde_json::{Value, json};

use crate::asl::definition::{Assign, Choice, Exit, Map, State, Task};
use crate::asl::engine::{Engine, Entered, Turn, Waited};
use crate::asl::expression::{Failure, Scope, Template, Variables, json as plain, object};
use crate::asl::fiber::{Fiber, FiberId, Items, Phase, Status};
use crate::asl::retry::is_for;
use crate::asl::tasks::{self, Call, Resource, StartExecution};

impl Engine {
    pub(super) fn enter(&mut self, id: FiberId, now_s: i64) -> Turn {
        let fiber = &self.fibers[&id];
        let record = &mut self.executions[fiber.execution.0];
        if fiber.map.is_none() {
            record.last.clone_from(&fiber.state);
        }
        self.history.push(Entered { execution: record.name.clone(), state: fiber.state.clone() });
        let count = self.history.len();
        let latest = &self.history[count.saturating_sub(12)..];
        assert!(
            count <= self.states_max,
            "it does not end: {count} states were entered, at last {latest:#?}"
        );
        let retriers = fiber.level.states[&fiber.state].rules().0.len();
        self.fiber(id).tried = vec![0; retriers];
        self.work(id, now_s)
    }

    /// Does what the state of a fiber does.
    pub(super) fn work(&mut self, id: FiberId, now_s: i64) -> Turn {
        let fiber = &self.fibers[&id];
        let level = fiber.level.clone();
        let input = fiber.input.clone();
        let done = match &level.states[&fiber.state] {
            State::Task(task) => match self.task(id, task, now_s) {
                Ok(Some(call)) => return Turn::Call(Box::new(call)),
                done => done.map(|_| ()),
            },
            State::Map(map) => self.map(id, map, now_s),
            State::Pass(_) => {
                self.leave(id, None, now_s);
                Ok(())
            }
            State::Choice(choice) => self.choose(id, choice, now_s),
            State::Wait(wait) => self.wait(id, &wait.seconds, now_s),
            State::Succeed(succeed) => {
                let output = succeed.output.as_ref().map(|output| output.evaluate(&self.scope(id, None)));
                output.unwrap_or(Ok(input)).map(|output| self.fiber_over(id, Ok(output), now_s))
            }
            State::Fail(fail) => self.fail(id, &fail.error, &fail.cause, now_s),
        };
        if let Err(failure) = done {
            self.failed(id, failure, now_s);
        }
        Turn::Moved
    }

    fn fail(&mut self, id: FiberId, error: &Template, cause: &Template, now_s: i64) -> Result<(), Failure> {
        let scope = self.scope(id, None);
        let text = |template: &Template| -> Result<String, Failure> {
            let value = template.evaluate(&scope)?;
            let text = value.as_str().map(str::to_owned);
            text.ok_or_else(|| Failure::query(format!("a failure's text is {}", plain(&value))))
        };
        let failure = Failure::new(text(error)?, text(cause)?);
        self.fiber_over(id, Err(failure), now_s);
        Ok(())
    }

    fn wait(&mut self, id: FiberId, seconds: &Template, now_s: i64) -> Result<(), Failure> {
        let seconds = seconds.whole(&self.scope(id, None), "Seconds")?;
        let head = self.head(id);
        let fiber = self.fiber(id);
        fiber.phase = Phase::Waiting;
        fiber.due_s = Some(now_s + seconds);
        let state = fiber.state.clone();
        self.waits.push(Waited { head, state, seconds });
        Ok(())
    }

    fn choose(&mut self, id: FiberId, choice: &Choice, now_s: i64) -> Result<(), Failure> {
        let scope = self.scope(id, None);
        for rule in &choice.choices {
            match rule.condition.evaluate(&scope)? {
                JValue::Bool(false) => {}
                JValue::Bool(true) => {
                    let output = rule.output.as_ref();
                    return self.go_with(id, &rule.assign, output, Some(&rule.next), None, now_s);
                }
                other => return Err(Failure::query(format!("a Condition is {}", plain(&other)))),
            }
        }
        let unmatched = || Failure { error: "States.NoChoiceMatched".into(), cause: None };
        let default = choice.default.as_ref().ok_or_else(unmatched)?;
        self.go_with(id, &choice.assign, choice.output.as_ref(), Some(default), None, now_s)
    }

    fn map(&mut self, id: FiberId, map: &Map, now_s: i64) -> Result<(), Failure> {
        let scope = self.scope(id, None);
        let at_once =
            map.at_once.as_ref().map_or(Ok(0), |at_once| at_once.whole(&scope, "MaxConcurrency"))?;
        let items = map.items.evaluate(&scope)?;
        let items = items.as_array().cloned();
        let items = items.ok_or_else(|| Failure::query("Items is not an array"))?;
        let items = Items::new(items, usize::try_from(at_once).unwrap_or(usize::MAX));
        let fiber = self.fiber(id);
        fiber.phase = Phase::Mapping(items);
        fiber.due_s = None;
        self.next_items(id, map, now_s)
    }

    /// Begins as many items as may begin; leaves the Map when all have ended.
    fn next_items(&mut self, id: FiberId, map: &Map, now_s: i64) -> Result<(), Failure> {
        loop {
            let Phase::Mapping(items) = &mut self.fiber(id).phase else { return Ok(()) };
            let Some(at) = items.next() else { break };
            let item = items.all[at].clone();
            let input = match &map.selector {
                Some(selector) => selector.evaluate(&self.scope(id, Some((item.clone(), at))))?,
                None => item.clone(),
            };
            let Fiber { execution, variables, .. } = &self.fibers[&id];
            let (execution, variables) = (*execution, variables.clone());
            self.spawn(execution, map.processor.clone(), variables, input, Some((id, at, item)), now_s);
        }
        let Phase::Mapping(items) = &self.fibers[&id].phase else { return Ok(()) };
        if let Some(results) = items.ended() {
            self.leave(id, Some(results), now_s);
        }
        Ok(())
    }

    fn task(&mut self, id: FiberId, task: &Task, now_s: i64) -> Result<Option<Call>, Failure> {
        let fiber = self.fiber(id);
        fiber.forget_call();
        let call = fiber.call;
        if task.resource == Resource::InvokeAndWait {
            fiber.token = Some(format!("token-{}-{call}", id.0));
        }
        let scope = self.scope(id, None);
        let seconds = |field: &Option<Template>, what| {
            field.as_ref().map(|field| field.whole(&scope, what)).transpose()
        };
        let timeout_at = seconds(&task.timeout, "TimeoutSeconds")?.map(|seconds| now_s + seconds);
        let heartbeat_s = seconds(&task.heartbeat, "HeartbeatSeconds")?;
        let arguments = plain(&task.arguments.evaluate(&scope)?);
        if matches!(task.resource, Resource::Run | Resource::Start) {
            self.start_from(id, task.resource, arguments, timeout_at, now_s)?;
            return Ok(None);
        }
        let fiber = self.fiber(id);
        let ask = task.resource.ask(arguments, &fiber.state);
        if task.resource == Resource::InvokeAndWait {
            let heartbeat_at = heartbeat_s.map(|seconds| now_s + seconds);
            fiber.due_s = [timeout_at, heartbeat_at].into_iter().flatten().min();
            fiber.phase = Phase::Token { timeout_at, heartbeat_s, heartbeat_at };
        } else {
            // A call takes no time here, so that its deadline is never reached.
            fiber.phase = Phase::Calling;
            fiber.due_s = None;
        }
        Ok(Some(Call { fiber: id, turn: call, ask }))
    }

    fn start_from(
        &mut self,
        id: FiberId,
        resource: Resource,
        arguments: Value,
        timeout_at: Option<i64>,
        now_s: i64,
    ) -> Result<(), Failure> {
        let fiber = &self.fibers[&id];
        let asked: StartExecution = tasks::arguments(arguments, &fiber.state);
        let parent = &self.executions[fiber.execution.0];
        let name = asked.name.unwrap_or_else(|| format!("{}.{}", parent.name, self.executions.len()));
        let input = JValue::from(asked.input);
        let waits = resource == Resource::Run;
        let head = waits.then_some(parent.head);
        let child = match self.named(&asked.state_machine_arn, &name) {
            None => self.begin(&asked.state_machine_arn, name, input, head, now_s),
            // Step Functions gives back the one that runs.
            Some(id) if self.executions[id.0].is_running() && self.executions[id.0].input == input => id,
            Some(_) => {
                let why = format!("Execution Already Exists: '{name}'");
                return Err(Failure::new("StepFunctions.ExecutionAlreadyExistsException", why));
            }
        };
        if waits {
            self.executions[child.0].waiters.push(id);
            let fiber = self.fiber(id);
            fiber.phase = Phase::Child;
            fiber.due_s = timeout_at;
        } else {
            let said = json!({"ExecutionArn": self.arn(child), "StartDate": now_s * 1_000});
            self.task_ended(id, Ok(JValue::from(said)), now_s);
        }
        Ok(())
    }

    /// What was asked of the world, or waited for, is over.
    pub(super) fn task_ended(&mut self, id: FiberId, result: Result<JValue, Failure>, now_s: i64) {
        let fiber = self.fiber(id);
        fiber.forget_call();
        if matches!(fiber.phase, Phase::Child) {
            for child in &self.running {
                self.executions[child.0].waiters.retain(|waiter| *waiter != id);
            }
        }
        match result {
            Ok(result) => self.leave(id, Some(result), now_s),
            Err(failure) => self.failed(id, failure, now_s),
        }
    }

    /// Leaves a state the usual way.
    pub(super) fn leave(&mut self, id: FiberId, result: Option<JValue>, now_s: i64) {
        let fiber = &self.fibers[&id];
        let level = fiber.level.clone();
        let exit: &Exit = match &level.states[&fiber.state] {
            State::Task(task) => &task.exit,
            State::Map(map) => &map.exit,
            State::Pass(pass) => &pass.0,
            State::Wait(wait) => &wait.exit,
            other => panic!("{} is left otherwise: {other:?}", fiber.state),
        };
        let named = result.map(|result| ("result", result));
        let gone = self.go_with(id, &exit.assign, exit.output.as_ref(), exit.next.as_deref(), named, now_s);
        if let Err(failure) = gone {
            self.failed(id, failure, now_s);
        }
    }

    /// Sets variables and goes on. The output is what is named (a result, an error), or else the input, unless
    /// another one is given.
    fn go_with(
        &mut self,
        id: FiberId,
        assign: &Assign,
        output: Option<&Template>,
        next: Option<&str>,
        named: Option<(&str, JValue)>,
        now_s: i64,
    ) -> Result<(), Failure> {
        let usual = named.as_ref().map_or_else(|| self.fibers[&id].input.clone(), |(_, value)| value.clone());
        let mut scope = self.scope(id, None);
        if let Some((name, value)) = named {
            add(&mut scope.states, name, value);
        }
        let set = |(name, template): (&String, &Template)| {
            Ok((std::rc::Rc::from(name.as_str()), template.evaluate(&scope)?))
        };
        let variables: Variables = assign.0.iter().map(set).collect::<Result<_, Failure>>()?;
        let output = output.map_or(Ok(usual), |output| output.evaluate(&scope))?;
        let fiber = self.fiber(id);
        fiber.variables.extend(variables);
        match next {
            Some(next) => {
                next.clone_into(&mut fiber.state);
                fiber.input = output;
                fiber.phase = Phase::Enter;
                fiber.due_s = Some(now_s);
            }
            None => self.fiber_over(id, Ok(output), now_s),
        }
        Ok(())
    }

    /// A state failed: it is tried again, or gone on from, or the fiber fails.
    fn failed(&mut self, id: FiberId, failure: Failure, now_s: i64) {
        // One item of a Map that fails stops the others.
        let items = self.fibers.iter().filter(|(_, fiber)| fiber.map.is_some_and(|(map, _)| map == id));
        let items = items.map(|(id, _)| *id).collect();
        self.drop_fibers(items, now_s);
        let fiber = &self.fibers[&id];
        let level = fiber.level.clone();
        let (retry, catch) = level.states[&fiber.state].rules();
        if let Some(at) = retry.iter().position(|rule| is_for(&rule.error_equals, &failure.error))
            && let Some(longest_s) = retry[at].delay_s(fiber.tried[at])
        {
            let jitter = self.jitter.as_mut().filter(|_| retry[at].is_jittered());
            let delay_s = jitter.map_or(longest_s, |jitter| jitter.i64(0..=longest_s));
            let fiber = self.fiber(id);
            fiber.tried[at] += 1;
            fiber.phase = Phase::Again;
            fiber.due_s = Some(now_s + delay_s);
            return;
        }
        let Some(rule) = catch.iter().find(|rule| is_for(&rule.error_equals, &failure.error)) else {
            self.fiber_over(id, Err(failure), now_s);
            return;
        };
        let mut error = vec![("Error", JValue::string(failure.error))];
        error.extend(failure.cause.map(|cause| ("Cause", JValue::string(cause))));
        let named = Some(("errorOutput", object(error)));
        let gone = self.go_with(id, &rule.assign, rule.output.as_ref(), Some(&rule.next), named, now_s);
        if let Err(failure) = gone {
            self.fiber_over(id, Err(failure), now_s);
        }
    }

    fn fiber_over(&mut self, id: FiberId, outcome: Result<JValue, Failure>, now_s: i64) {
        let Some(fiber) = self.fibers.remove(&id) else { return };
        if let Some((map, at)) = fiber.map {
            return self.item_over(map, at, outcome, now_s);
        }
        self.executions[fiber.execution.0].variables = fiber.variables;
        self.end(fiber.execution, outcome.map_or_else(Status::Failed, Status::Succeeded), now_s);
    }

    fn item_over(&mut self, id: FiberId, at: usize, outcome: Result<JValue, Failure>, now_s: i64) {
        let level = self.fibers[&id].level.clone();
        let State::Map(map) = &level.states[&self.fibers[&id].state] else { panic!("an item of no Map") };
        let done = outcome.and_then(|output| {
            if let Phase::Mapping(items) = &mut self.fiber(id).phase {
                items.results[at] = Some(output);
            }
            self.next_items(id, map, now_s)
        });
        if let Err(failure) = done {
            self.failed(id, failure, now_s);
        }
    }

    /// What the expressions of a fiber's state see; those of a Map's selector see the item too.
    pub(super) fn scope(&self, id: FiberId, item: Option<(JValue, usize)>) -> Scope<'_> {
        let fiber = &self.fibers[&id];
        let own = fiber.item.clone().zip(fiber.map.map(|(_, at)| at));
        let (execution, machine) = self.executions[fiber.execution.0].context.clone();
        let mut context = vec![("Execution", execution), ("StateMachine", machine)];
        if let Some((value, index)) = item.or(own) {
            let item = object([("Value", value), ("Index", JValue::from(index))]);
            context.push(("Map", object([("Item", item)])));
        }
        if let Some(token) = &fiber.token {
            context.push(("Task", object([("Token", JValue::string(token.as_str()))])));
        }
        let states = object([("input", fiber.input.clone()), ("context", object(context))]);
        Scope { states, variables: &fiber.variables }
    }
}

fn add(states: &mut JValue, name: &str, value: JValue) {
    if let Some(fields) = states.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
