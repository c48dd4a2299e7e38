//! Walks the statements and expressions of a configuration as PHP would, without running anything.
//!
//! Values may be unknown ([`Data::Unknown`]), and then every result is. A condition that is not known takes
//! both branches and joins what they did ([`Evaluator::fork`]). Steps, nesting, calls, includes and the
//! size of strings are bounded. Knows PHP the language; functions are in `functions.rs`.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use php_ast::ast::{
    ArgKind, ArrayElementKind, ArrowFunctionExpr, AssignOp, BinaryOp, Block, CastKind, ClosureExpr, Expr,
    ExprKind, FunctionCallExpr, IncludeKind, MagicConstKind, Name, NamespaceBody, Param, Stmt, StmtKind,
    StringPart, SwitchStmt, TryCatchStmt, TypeHint, TypeHintKind, UnaryPostfixOp, UnaryPrefixOp, UseKind,
};
use php_ast::{Arg, BuiltinType, Span};
use php_rs_parser::bumpalo::Bump;

use super::classes::Class;
use super::names::{has_moving_keys, is_generator, is_harmless};
use super::source::{self, Source, Unreadable};
use super::state::{ANY, Constant, Function, Local, State, Variable, join_two, tie_value};
use super::value::{self, Array, Data, Key, Number, Value, Variables, Why, merge};
use super::{Input, builtins, constants, dotenv};

/// Steps that one evaluation may take. A stock file takes a few hundred.
const MOST_STEPS: u64 = 200_000;
/// Bytes that a string may have.
pub const MOST_STRING: usize = 1 << 20;
/// Expressions within expressions, statements within statements.
const MOST_DEPTH: u32 = 1_000;
/// Functions within functions.
const MOST_CALLS: u32 = 32;
/// Files within files.
const MOST_INCLUDES: u32 = 16;
/// Elements that an array may have.
pub const MOST_ELEMENTS: usize = 20_000;
/// Arrays within arrays.
const MOST_ARRAY_DEPTH: u32 = 100;
/// Bytes that all values may have together, those that are gone included.
const MOST_MEMORY: usize = 256 << 20;
/// Bytes of all files and evaluated strings together.
const MOST_SOURCE: usize = 4 << 20;

/// How the program ends before its last line.
#[derive(Debug, Clone)]
pub enum Stop {
    /// `wp-settings.php` is loaded: everything that matters has happened.
    Settings,
    /// `exit`.
    Exit,
    /// An exception or a fatal error.
    Throw(Rc<Why>),
    /// A bound of this evaluator.
    Limit(Rc<Why>),
}

/// How a statement ends.
#[derive(Debug, Clone)]
pub enum Flow {
    Normal,
    Break(u32),
    Continue(u32),
    Return(Value),
    /// Only among the pending ones: an exception that may have been thrown.
    MaybeThrow,
}

pub type Eval = Result<Value, Stop>;
pub type Exec = Result<Flow, Stop>;

/// Names that a file imports with `use`, in lower case.
#[derive(Default)]
pub struct Uses {
    /// Whether the file has a namespace: names then are not what is written.
    pub is_namespaced: bool,
    /// `declare(strict_types=1)`.
    pub is_strict: bool,
    classes: HashMap<String, String>,
    functions: HashMap<String, String>,
    /// These have letter case.
    constants: HashMap<String, String>,
}

impl Uses {
    /// What a class name that is written here stands for, if it is imported.
    pub fn class(&self, written: &str) -> Option<String> {
        self.classes.get(written).cloned()
    }
}

/// The file being evaluated.
#[derive(Clone)]
pub struct Here<'a> {
    pub source: Rc<Source<'a>>,
    pub uses: Rc<RefCell<Uses>>,
    /// `__FUNCTION__`.
    pub function: Rc<str>,
    /// The class whose code this is (`self`), in lower case.
    pub class: Option<Rc<str>>,
    /// The class that was called (`static`), in lower case.
    pub called: Option<Rc<str>>,
}

/// A closure with what it captured.
#[derive(Clone)]
pub struct Closure<'a> {
    body: ClosureBody<'a>,
    captured: HashMap<String, Local>,
    here: Here<'a>,
}

#[derive(Clone)]
enum ClosureBody<'a> {
    Full(&'a ClosureExpr<'a, 'a>),
    Arrow(&'a ArrowFunctionExpr<'a, 'a>),
}

/// Where an assignment goes: a variable and a path of keys into it.
pub struct Place {
    root: PlaceRoot,
    /// `None`: `[]`, append.
    path: Vec<Option<Value>>,
}

enum PlaceRoot {
    Variable(String),
    Global(String),
    Superglobal(&'static str),
    /// A property of an object of a class that is followed.
    Property(usize, Key),
    /// A static property, by its key in [`State::statics`].
    Static(String),
    /// An assignment to what is not followed: properties of objects and classes.
    Elsewhere,
}

/// A way that left a block, and the condition that it depends on.
struct Pending<'a> {
    flow: Flow,
    state: State<'a>,
    how: How,
}

/// What a fork depends on.
#[derive(Clone)]
pub struct How {
    pub why: Rc<Why>,
    /// Set if only the absence of environment variables decides: one way is real, the other one is what would
    /// happen if they were set.
    assumed: Option<Assumed>,
}

#[derive(Clone)]
struct Assumed {
    env: Rc<Variables>,
    /// Whether it is the way at hand (the left one of a fork, the one that waits) that is real.
    is_real: bool,
}

impl How {
    /// The same for a way that has come to `state`: one that supposes something is not real.
    fn of(&self, state: &State<'_>) -> Self {
        match &self.assumed {
            Some(assumed) if !state.supposed.is_empty() => {
                let assumed = Some(Assumed { env: assumed.env.clone(), is_real: false });
                Self { why: self.why.clone(), assumed }
            }
            _ => self.clone(),
        }
    }

    fn flipped(&self) -> Self {
        let assumed = self.assumed.clone().map(|assumed| Assumed { is_real: !assumed.is_real, ..assumed });
        Self { why: self.why.clone(), assumed }
    }

    /// Joins `state` with `other`, which is the way that this speaks of.
    pub fn join_states<'a>(&self, state: State<'a>, other: State<'a>) -> State<'a> {
        match &self.assumed {
            None => state.join(other, &self.why),
            Some(Assumed { env, is_real: true }) => other.joined_with_supposed(state, env, &self.why),
            Some(Assumed { env, is_real: false }) => state.joined_with_supposed(other, env, &self.why),
        }
    }

    pub fn is_real(&self) -> Option<bool> {
        self.assumed.as_ref().map(|assumed| assumed.is_real)
    }

    /// The value that is one of two; `left` is the one at hand.
    fn join(&self, left: Value, right: Value) -> Value {
        match &self.assumed {
            None => join_two(left, right, &self.why),
            Some(Assumed { env, is_real }) => {
                let (mut real, other) = if *is_real { (left, right) } else { (right, left) };
                tie_value(&mut real, &other, &Some(env.clone()));
                real
            }
        }
    }
}

impl From<&Rc<Why>> for How {
    fn from(why: &Rc<Why>) -> Self {
        Self { why: why.clone(), assumed: None }
    }
}

/// Where a global function `env()` that no file here declares would come from.
#[derive(Clone)]
pub enum EnvFunction {
    /// Nothing tells.
    Unknown,
    /// `oscarotero/env`, Bedrock's.
    Oscarotero,
    /// Some other package.
    Other(Rc<Why>),
}

/// See [`Evaluator::mark`].
#[derive(Clone)]
struct Mark<'a> {
    here: Here<'a>,
    control: Option<Rc<Variables>>,
    depth: u32,
    calls: u32,
    includes: u32,
    tries: u32,
}

/// Evaluates one configuration.
pub struct Evaluator<'a> {
    pub arena: &'a Bump,
    pub input: &'a Input<'a>,
    pub state: State<'a>,
    pub here: Here<'a>,
    /// States at statements that left a block under a condition that is not known.
    pending: Vec<Pending<'a>>,
    /// States in which `wp-settings.php` was loaded under a condition that is not known.
    pub finished: Vec<(State<'a>, How)>,
    closures: Vec<Closure<'a>>,
    /// How many objects were made: the number of the last one.
    pub objects_made: usize,
    pub dotenvs: Vec<dotenv::Loader>,
    /// The major version of phpdotenv that Composer has installed, as far as it is known.
    pub dotenv_major: Option<u32>,
    /// What `env()` is.
    pub env_function: EnvFunction,
    /// That of symfony/dotenv.
    pub symfony_major: Option<u32>,
    /// Functions and classes that several namespaces have, in lower case.
    pub mixed: BTreeSet<String>,
    steps: u64,
    depth: u32,
    calls: u32,
    includes: u32,
    tries: u32,
    source_bytes: usize,
    /// Bytes that values have taken so far.
    taken: usize,
    /// Environment variables that decided that this branch is taken.
    control: Option<Rc<Variables>>,
    /// What runs when the program ends early: an exception's handler, a shutdown function.
    pub late: Option<Rc<Why>>,
    /// Every environment variable that was read.
    pub variables_read: Variables,
    /// Names that `.env` files set: reading one shows that the environment is the site's.
    pub from_dotenv: BTreeSet<Vec<u8>>,
}

impl<'a> Evaluator<'a> {
    pub fn new(arena: &'a Bump, input: &'a Input<'a>, source: Rc<Source<'a>>) -> Self {
        Self {
            arena,
            input,
            state: State::default(),
            here: Here { source, uses: Rc::default(), function: "".into(), class: None, called: None },
            pending: Vec::new(),
            finished: Vec::new(),
            closures: Vec::new(),
            objects_made: 0,
            dotenvs: Vec::new(),
            dotenv_major: None,
            symfony_major: None,
            mixed: BTreeSet::new(),
            env_function: EnvFunction::Unknown,
            steps: 0,
            depth: 0,
            calls: 0,
            includes: 0,
            tries: 0,
            source_bytes: 0,
            taken: 0,
            control: None,
            late: None,
            variables_read: Variables::new(),
            from_dotenv: BTreeSet::new(),
        }
    }

    // Reasons

    pub fn why(&self, span: Span, reason: impl Into<String>) -> Rc<Why> {
        Rc::new(Why {
            file: self.here.source.shown.clone(),
            line: self.here.source.line(span),
            reason: reason.into(),
            is_web_sapi: false,
        })
    }

    pub fn unknown(&self, span: Span, reason: impl Into<String>) -> Value {
        Value::unknown(self.why(span, reason))
    }

    pub fn limit(&self, span: Span, what: &str) -> Stop {
        Stop::Limit(self.why(span, format!("it {what}")))
    }

    pub fn throw(&self, span: Span, reason: impl Into<String>) -> Stop {
        Stop::Throw(self.why(span, reason))
    }

    /// Pays for reading or making so many bytes.
    pub fn charge(&mut self, span: Span, bytes: usize) -> Result<(), Stop> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > MOST_MEMORY {
            return Err(self.limit(span, "takes too much memory"));
        }
        self.step(span, bytes / 256)
    }

    pub fn step(&mut self, span: Span, cost: usize) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(1 + cost as u64);
        if self.steps > MOST_STEPS {
            return Err(self.limit(span, "takes too many steps"));
        }
        Ok(())
    }

    /// A string result, charged for by its length.
    pub fn string(&mut self, span: Span, bytes: impl Into<Rc<[u8]>>) -> Eval {
        let bytes = bytes.into();
        if bytes.len() > MOST_STRING {
            return Err(self.limit(span, "builds a string longer than 1 MiB"));
        }
        self.charge(span, bytes.len())?;
        Ok(Value::bytes(bytes))
    }

    /// Where in the program the walk is, to go on from there when a part of it ended early.
    fn mark(&self) -> Mark<'a> {
        Mark {
            here: self.here.clone(),
            control: self.control.clone(),
            depth: self.depth,
            calls: self.calls,
            includes: self.includes,
            tries: self.tries,
        }
    }

    fn return_to(&mut self, mark: &Mark<'a>) {
        let Mark { here, control, depth, calls, includes, tries } = mark.clone();
        self.here = here;
        self.control = control;
        self.depth = depth;
        self.calls = calls;
        self.includes = includes;
        self.tries = tries;
    }

    // Both branches of a condition that is not known

    /// The unset environment variables among `env`, if what they decide is only assumed.
    pub fn unset(&self, env: &Option<Rc<Variables>>) -> Option<Rc<Variables>> {
        let env = env.as_ref().filter(|env| env.values().any(|set| !set))?;
        // The environment is the site's: what is not set here is not set there.
        if self.variables_read.values().any(|set| *set) {
            return None;
        }
        Some(Rc::new(env.iter().filter(|(_, set)| !**set).map(|(name, _)| (name.clone(), false)).collect()))
    }

    /// A fork whose left way is the real one, because the variables of `env` are not set.
    fn assumed(&self, env: &Rc<Variables>, span: Span) -> How {
        let names: Vec<&str> = env.keys().map(String::as_str).collect();
        let why = self.why(span, format!("it depends on the environment ({})", names.join(", ")));
        How { why, assumed: Some(Assumed { env: env.clone(), is_real: true }) }
    }

    /// Takes both ways and joins what they did.
    fn fork<T>(
        &mut self,
        how: &How,
        left: impl FnOnce(&mut Self) -> Result<T, Stop>,
        right: impl FnOnce(&mut Self) -> Result<T, Stop>,
        join: impl FnOnce(&mut Self, T, State<'a>, T, How) -> T,
    ) -> Result<T, Stop> {
        // What a copy of the state costs.
        let size = self.state.constants.len() + self.state.globals.len() + self.state.functions.len();
        self.steps = self.steps.saturating_add(20 + size as u64);
        let before = self.state.clone();
        let mark = self.mark();
        let since = (self.pending.len(), self.finished.len());
        let is_real_way = self.state.supposed.is_empty();
        let left = left(self);
        if let Err(stop @ Stop::Limit(_)) = left {
            return Err(stop);
        }
        self.return_to(&mark);
        let after_left = std::mem::replace(&mut self.state, before);
        let other_since = (self.pending.len(), self.finished.len());
        if let Some(assumed) = &how.assumed {
            self.state.suppose(&assumed.env, &how.why);
        }
        let right = right(self);
        self.return_to(&mark);
        // What left on the way that is not real is not real; under an unknown condition, nothing is for sure.
        let (since, assumed) = match &how.assumed {
            Some(assumed) => (other_since, Some(Assumed { env: assumed.env.clone(), is_real: false })),
            None => (since, None),
        };
        for pending in self.pending.iter_mut().skip(since.0) {
            pending.how.assumed.clone_from(&assumed);
        }
        for (_, how) in self.finished.iter_mut().skip(since.1) {
            how.assumed.clone_from(&assumed);
        }
        match (left, right) {
            (_, Err(stop @ Stop::Limit(_))) => Err(stop),
            (Ok(left), Ok(right)) => Ok(join(self, left, after_left, right, how.clone())),
            (Ok(left), Err(stop)) => {
                let stopped = std::mem::replace(&mut self.state, after_left);
                self.one_way_stopped(stop, stopped, &how.flipped());
                Ok(left)
            }
            (Err(stop), Ok(right)) => {
                if is_real_way && how.is_real() == Some(true) && !self.may_go_on(&stop) {
                    self.state = after_left;
                    return Err(stop);
                }
                self.one_way_stopped(stop, after_left, how);
                Ok(right)
            }
            (Err(left), Err(right)) if how.is_real() == Some(true) || matches!(left, Stop::Settings) => {
                let stopped = std::mem::replace(&mut self.state, after_left);
                self.one_way_stopped(right, stopped, &how.flipped());
                Err(left)
            }
            (Err(left), Err(right)) => {
                self.one_way_stopped(left, after_left, how);
                Err(right)
            }
        }
    }

    /// Whether what is behind such an end may still count.
    fn may_go_on(&self, stop: &Stop) -> bool {
        matches!(stop, Stop::Settings) || matches!(stop, Stop::Throw(_)) && self.tries > 0
    }

    /// A way that ends in `exit` or an error shows no site to anybody: the site is what the other way
    /// makes it. One that loads `wp-settings.php` counts.
    fn one_way_stopped(&mut self, stop: Stop, state: State<'a>, how: &How) {
        match stop {
            Stop::Settings => {
                let how = how.of(&state);
                self.finished.push((state, how));
            }
            Stop::Throw(_) if self.tries > 0 => self.push(Flow::MaybeThrow, state, how.clone()),
            _ => {}
        }
    }

    /// Something here may throw an exception.
    pub fn may_throw(&mut self, why: &Rc<Why>) {
        if self.tries > 0 {
            let state = self.state.clone();
            self.steps = self.steps.saturating_add(20 + state.globals.len() as u64);
            self.pending.push(Pending { flow: Flow::MaybeThrow, state, how: why.into() });
        }
    }

    /// Joins the present state with `other`, which is the way that `how` speaks of.
    fn join_state(&mut self, other: State<'a>, how: &How) {
        if how.assumed.is_none() && self.state.supposed != other.supposed {
            // One of the two may be all that is real, whatever waits instead of the other.
            let waiting = self.pending.iter_mut().map(|pending| &mut pending.how);
            for waiting in waiting.chain(self.finished.iter_mut().map(|(_, how)| how)) {
                if waiting.is_real() == Some(true) {
                    waiting.assumed = None;
                }
            }
        }
        let state = std::mem::take(&mut self.state);
        self.state = how.join_states(state, other);
    }

    pub fn fork_value(
        &mut self,
        how: impl Into<How>,
        left: impl FnOnce(&mut Self) -> Eval,
        right: impl FnOnce(&mut Self) -> Eval,
    ) -> Eval {
        self.fork(&how.into(), left, right, |this, left, after_left, right, how| {
            this.join_state(after_left, &how);
            how.join(left, right)
        })
    }

    fn fork_flow(
        &mut self,
        how: impl Into<How>,
        left: impl FnOnce(&mut Self) -> Exec,
        right: impl FnOnce(&mut Self) -> Exec,
    ) -> Exec {
        self.fork(&how.into(), left, right, |this, left, after_left, right, how| {
            this.combine(right, left, after_left, how)
        })
    }

    /// Goes on with one of two ways, the present one and `other`, or both: the one that leaves further waits.
    fn combine(&mut self, current: Flow, other: Flow, state: State<'a>, how: How) -> Flow {
        let is_same = match (&current, &other) {
            (Flow::Normal, Flow::Normal) => true,
            (Flow::Break(left), Flow::Break(right)) | (Flow::Continue(left), Flow::Continue(right)) => {
                left == right
            }
            _ => false,
        };
        match (current, other) {
            (current, _) if is_same => {
                self.join_state(state, &how);
                current
            }
            (Flow::Return(right), Flow::Return(left)) => {
                self.join_state(state, &how);
                Flow::Return(how.join(left, right))
            }
            (current, Flow::Normal) => self.wait(current, Flow::Normal, state, &how),
            (current @ Flow::Return(_), other @ (Flow::Break(_) | Flow::Continue(_))) => {
                self.wait(current, other, state, &how)
            }
            (current, other) => {
                self.push(other, state, how);
                current
            }
        }
    }

    fn push(&mut self, flow: Flow, state: State<'a>, how: How) {
        let how = how.of(&state);
        self.pending.push(Pending { flow, state, how });
    }

    /// Lets the present way wait, and goes on with another one.
    fn wait(&mut self, current: Flow, other: Flow, state: State<'a>, how: &How) -> Flow {
        let waiting = std::mem::replace(&mut self.state, state);
        self.push(current, waiting, how.flipped());
        other
    }

    /// Joins the pending states that arrive here.
    fn arrive(&mut self, since: usize, flow: Exec, arrives: impl Fn(&Flow) -> bool) -> Exec {
        let mut flow = flow;
        loop {
            // The last that began to wait comes first: ways lie within each other.
            let found = (since..self.pending.len()).rev().find(|index| arrives(&self.pending[*index].flow));
            let Some(index) = found else { return flow };
            let Pending { flow: pending, state, how } = self.pending.remove(index);
            let arrived = if matches!(pending, Flow::Return(_)) { pending } else { Flow::Normal };
            flow = match flow {
                Err(Stop::Limit(why)) => return Err(Stop::Limit(why)),
                Err(stop)
                    if how.is_real() == Some(false)
                        && self.state.supposed.is_empty()
                        && !self.may_go_on(&stop) =>
                {
                    Err(stop)
                }
                // Nothing else got here.
                Err(stop) => {
                    let stopped = std::mem::replace(&mut self.state, state);
                    self.one_way_stopped(stop, stopped, &how.flipped());
                    Ok(arrived)
                }
                Ok(current) => Ok(match (current, arrived) {
                    (Flow::Return(right), Flow::Return(left)) => {
                        self.join_state(state, &how);
                        Flow::Return(how.join(left, right))
                    }
                    (Flow::Normal, Flow::Return(left)) => {
                        self.join_state(state, &how);
                        Flow::Return(how.join(left, Value::null()))
                    }
                    (current, arrived) if matches!(current, Flow::Normal) || arrives(&current) => {
                        self.join_state(state, &how);
                        arrived
                    }
                    // That one leaves further than this place.
                    (current, arrived) => self.wait(current, arrived, state, &how),
                }),
            };
        }
    }

    /// Evaluates the operand that is taken, and sees what the other one would do if `env` were set.
    fn with_other(
        &mut self,
        env: &Option<Rc<Variables>>,
        span: Span,
        taken: impl FnOnce(&mut Self) -> Eval,
        other: Option<&'a Expr<'a, 'a>>,
    ) -> Eval {
        let is_harmless = other.is_none_or(|other| is_harmless(other));
        let value = match self.unset(env).filter(|_| !is_harmless) {
            None => taken(self)?,
            Some(unset) => {
                let how = self.assumed(&unset, span);
                let unknown = Value::unknown(how.why.clone());
                self.fork_value(how, taken, |this| match other {
                    Some(other) => this.expr(other),
                    None => Ok(unknown),
                })?
            }
        };
        Ok(value.with(env))
    }

    /// Runs `body` under a known condition that `env` decided.
    pub fn under<T>(&mut self, env: &Option<Rc<Variables>>, body: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.control.clone();
        self.control = merge(&before, env);
        let result = body(self);
        self.control = before;
        result
    }

    // Files

    /// Evaluates the first file, to its end or to where it stops.
    pub fn run(&mut self) -> Exec {
        let flow = self.file_body();
        self.arrive(0, flow, |flow| matches!(flow, Flow::Return(_)))
    }

    /// Evaluates the file that tells a database layer its servers, in the scope of `require_wp_db()`.
    pub fn run_databases(&mut self, file: &Path) -> Result<(), Stop> {
        let span = self.here.source.program.span;
        let content = match self.read_file(file) {
            Ok(content) => content,
            Err(_) => return Err(self.throw(span, format!("{} cannot be read", file.display()))),
        };
        self.state.locals.push(HashMap::new());
        let shown: Rc<str> = file.display().to_string().into();
        self.run_source(&content, Rc::from(file), shown, span)?;
        Ok(())
    }

    /// `$wpdb->add_database( … )` and its like: kept in order, as a variable that no program can name.
    fn add_database(&mut self, method: &str, arguments: Vec<Value>, span: Span) -> Value {
        let line = i64::from(self.here.source.line(span));
        let call = [Value::text(method), Value::int(line)].into_iter().chain(arguments);
        let call = Value::array(Array::from_list(call));
        // An element that is only a fallback makes the whole list one.
        let read = call.variables_inside();
        let calls = self.state.globals.get(super::DATABASES).map(|calls| calls.value.clone());
        let calls = match calls {
            None => Value::array(Array::from_list([call])),
            // None but in a way that is not taken.
            Some(Value { data: Data::Null, env, .. }) => Value::array(Array::from_list([call])).with(&env),
            Some(Value { data: Data::Array(calls), env, .. }) => {
                let mut calls = Rc::unwrap_or_clone(calls);
                calls.push(call);
                Value::array(calls).with(&env)
            }
            Some(unknown) => unknown,
        };
        let calls = calls.with(&read);
        self.set_global(super::DATABASES, calls, span);
        Value::null()
    }

    fn file_body(&mut self) -> Exec {
        let program = self.here.source.program;
        self.hoist(&program.stmts);
        self.statements(&program.stmts)
    }

    /// Remembers a function, the first of its name, or that there is a class.
    fn declare(&mut self, statement: &'a Stmt<'a, 'a>) {
        match &statement.kind {
            StmtKind::Function(declaration) => {
                if let Some(name) = declaration.name.as_str() {
                    let name = name.to_ascii_lowercase();
                    let is_namespaced = self.here.uses.borrow().is_namespaced;
                    let known = self.state.functions.get(&name);
                    let other = known.filter(|known| !std::ptr::eq(known.declaration, *declaration));
                    let collides = match other {
                        Some(other) => is_namespaced || other.here.uses.borrow().is_namespaced,
                        None => is_namespaced && known.is_none() && builtins::find(&name).is_some(),
                    };
                    self.doubt_names(collides, &name, statement.span);
                    let function = Function { declaration, here: self.here.clone() };
                    self.state.functions.entry(name).or_insert(function);
                }
            }
            StmtKind::Class(class) => {
                if let Some(name) = class.name.and_then(|name| name.as_str()) {
                    let is_namespaced = self.here.uses.borrow().is_namespaced;
                    let known = self.state.classes.get(&name.to_ascii_lowercase());
                    let collides = known.is_some_and(|known| {
                        let is_same = known.declaration.is_some_and(|known| std::ptr::eq(known, *class));
                        !is_same && (is_namespaced || known.here.uses.borrow().is_namespaced)
                    });
                    self.doubt_names(collides, name, statement.span);
                    let class = Class { declaration: Some(class), here: self.here.clone() };
                    self.state.classes.entry(name.to_ascii_lowercase()).or_insert(class);
                }
            }
            StmtKind::Interface(_) | StmtKind::Trait(_) | StmtKind::Enum(_) => {
                let name = match &statement.kind {
                    StmtKind::Interface(interface) => interface.name.as_str(),
                    StmtKind::Trait(declared) => declared.name.as_str(),
                    StmtKind::Enum(declared) => declared.name.as_str(),
                    _ => None,
                };
                if let Some(name) = name {
                    let class = Class { declaration: None, here: self.here.clone() };
                    self.state.classes.entry(name.to_ascii_lowercase()).or_insert(class);
                }
            }
            _ => {}
        }
    }

    /// Names are kept without their namespaces. Where two of them are the same then, nobody here can tell which is meant.
    fn doubt_names(&mut self, collides: bool, name: &str, span: Span) {
        if collides {
            self.mixed.insert(name.to_ascii_lowercase());
            let why = self
                .why(span, format!("there is another {name} in another namespace, which is not followed"));
            self.unknown_call(why);
        }
    }

    /// PHP declares the functions of a file before its first statement runs.
    fn hoist(&mut self, statements: &'a [Stmt<'a, 'a>]) {
        for statement in statements {
            match &statement.kind {
                StmtKind::Function(_)
                | StmtKind::Class(_)
                | StmtKind::Interface(_)
                | StmtKind::Trait(_)
                | StmtKind::Enum(_) => self.declare(statement),
                StmtKind::Namespace(namespace) => {
                    if namespace.name.is_some() {
                        self.here.uses.borrow_mut().is_namespaced = true;
                    }
                    if let NamespaceBody::Braced(block) = &namespace.body {
                        self.hoist(&block.stmts);
                    }
                }
                _ => {}
            }
        }
    }

    /// The path that PHP makes of a relative one: the working directory is the root, where `index.php` is.
    pub fn absolute(&self, bytes: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.input.working_dir.join(Path::new(std::ffi::OsStr::from_bytes(bytes)))
    }

    /// The file that an `include` means. PHP looks for a bare name in the working directory, then beside
    /// the including file.
    fn included_file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.absolute(bytes);
        let is_bare = !bytes.starts_with(b"/") && !bytes.starts_with(b"./") && !bytes.starts_with(b"../");
        if is_bare
            && !path.exists()
            && let Some(folder) = self.here.source.path.parent()
        {
            use std::os::unix::ffi::OsStrExt;
            return folder.join(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        }
        path
    }

    fn include(&mut self, kind: IncludeKind, argument: &'a Expr<'a, 'a>, span: Span) -> Eval {
        let path = self.expr(argument)?;
        let must_exist = matches!(kind, IncludeKind::Require | IncludeKind::RequireOnce);
        let once = matches!(kind, IncludeKind::IncludeOnce | IncludeKind::RequireOnce);
        let Some(bytes) = path.to_bytes() else {
            // WordPress: what follows the settings is none of the configuration's business, wherever ABSPATH is.
            if ends_with_settings(argument) {
                return Err(Stop::Settings);
            }
            let code = self.here.source.code(argument.span);
            let cause = path.why().map_or(String::new(), |why| format!(", because {}", why.reason));
            let why = self.why(span, format!("which file `{code}` includes cannot be known{cause}"));
            return Ok(self.unknown_include(why));
        };
        if bytes.ends_with(b"wp-settings.php") {
            return Err(Stop::Settings);
        }
        if bytes.windows(3).any(|window| window == b"://") || bytes.contains(&0) {
            let why = self.why(span, "it includes what is not a file");
            return Ok(self.unknown_include(why));
        }
        if !bytes.starts_with(b"/")
            && let Some(why) = &self.state.moved
        {
            let why = why.clone();
            return Ok(self.unknown_include(why));
        }
        let file = self.included_file(&bytes);
        // With another value there, another file would be loaded.
        self.doubt_with(&path.env);
        if is_autoloader(&file) && (!must_exist || file.exists()) {
            self.state.composer = true;
            self.autoload(&file, span)?;
            return Ok(self.unknown(span, "it is what Composer's autoloader returns"));
        }
        let identity = file.canonicalize().unwrap_or_else(|_| file.clone());
        if once && self.state.included.contains(&identity) {
            return Ok(Value::bool(true));
        }
        let content = match self.read_file(&file) {
            Ok(content) => content,
            Err(Unreadable::Missing) if must_exist => {
                return Err(self.throw(span, format!("{} does not exist", file.display())));
            }
            Err(Unreadable::Missing) => return Ok(Value::bool(false).with(&path.env)),
            Err(Unreadable::Other(reason)) => {
                let why = self.why(span, format!("{} cannot be read here: {reason}", file.display()));
                return Ok(self.unknown_include(why));
            }
        };
        self.state.included.insert(identity.clone());
        let shown: Rc<str> = identity.display().to_string().into();
        let env = path.env.clone();
        let run = |this: &mut Self| this.run_source(&content, Rc::from(identity.as_path()), shown, span);
        let value = self.under(&env, run)?.with(&env);
        self.doubt_with(&env);
        Ok(value)
    }

    /// What Composer's autoloader loads at once: the project's own files are evaluated, the `files` of packages
    /// are not followed, and what they may define by its name is in doubt.
    fn autoload(&mut self, file: &Path, span: Span) -> Result<(), Stop> {
        let Some(vendor) = file.parent() else { return Ok(()) };
        let project = vendor.parent().unwrap_or(vendor);
        let lists = [vendor.join("composer/installed.json"), project.join("composer.lock")];
        let lists = lists.into_iter().chain([project.join("composer.json")]);
        let lists: Vec<String> = lists
            .filter_map(|list| self.read_file(&list).ok())
            .map(|list| String::from_utf8_lossy(&list).into_owned())
            .collect();
        let major = |package: &str| lists.iter().find_map(|list| dotenv::major_version(list, package));
        self.dotenv_major = major(dotenv::PHPDOTENV);
        self.symfony_major = major("symfony/dotenv");
        // Its version 2 has `Env\\env()` instead.
        if lists.iter().any(|list| list.contains("\"oscarotero/env\"")) {
            self.env_function = EnvFunction::Oscarotero;
        }
        let mut files = vec![(file.to_path_buf(), false)];
        if let Ok(list) = self.read_file(&vendor.join("composer/autoload_files.php")) {
            for line in String::from_utf8_lossy(&list).lines() {
                let Some((_, entry)) = line.split_once("=> ") else { continue };
                let (base, is_own) = match entry.trim_start() {
                    entry if entry.starts_with("$vendorDir") => (Some(vendor), false),
                    entry if entry.starts_with("$baseDir") => (vendor.parent(), true),
                    _ => continue,
                };
                if let (Some(base), Some(path)) = (base, entry.split('\'').nth(1)) {
                    files.push((base.join(path.trim_start_matches('/')), is_own));
                }
            }
        }
        for (path, is_own) in files.into_iter().take(MOST_LOADED) {
            let Ok(code) = self.read_file(&path) else { continue };
            self.steps = self.steps.saturating_add(code.len() as u64 / 256);
            if is_own {
                self.autoload_own(&path, &code, span)?;
                continue;
            }
            let why = self.why(span, format!("{} may define it", path.display()));
            let code = String::from_utf8_lossy(&code);
            if declares_env(&code) && !path.ends_with("oscarotero/env/src/env_function.php") {
                self.env_function = EnvFunction::Other(why.clone());
            }
            for name in defined_names(&code) {
                if !self.state.constants.contains_key(name) && constants::value(name).is_none() {
                    let (file, line) = (why.file.clone(), why.line);
                    let value = Value::unknown(why.clone());
                    let constant = Constant { value, file, line, maybe: Some(why.clone()) };
                    self.state.constants.insert(name.to_owned(), constant);
                }
            }
            if code.contains("$table_prefix") || code.contains("'table_prefix'") {
                self.set_global("table_prefix", Value::unknown(why.clone()), span);
            }
        }
        Ok(())
    }

    /// A file of the project itself that Composer loads at once, in a scope of its own.
    fn autoload_own(&mut self, path: &Path, code: &[u8], span: Span) -> Result<(), Stop> {
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if !self.state.included.insert(identity.clone()) {
            return Ok(());
        }
        let shown: Rc<str> = identity.display().to_string().into();
        self.state.locals.push(HashMap::new());
        let result = self.run_source(code, Rc::from(identity.as_path()), shown, span);
        self.state.locals.pop();
        result.map(|_| ())
    }

    /// Evaluates the code of an included file or of `eval` in the present scope.
    pub fn run_source(&mut self, code: &[u8], path: Rc<Path>, shown: Rc<str>, span: Span) -> Eval {
        self.run_code(code, path, shown, span, Value::int(1))
    }

    /// `otherwise`: what it gives without a `return`.
    fn run_code(
        &mut self,
        code: &[u8],
        path: Rc<Path>,
        shown: Rc<str>,
        span: Span,
        otherwise: Value,
    ) -> Eval {
        self.source_bytes = self.source_bytes.saturating_add(code.len());
        self.step(span, code.len() / 64)?;
        if self.includes >= MOST_INCLUDES || self.source_bytes > MOST_SOURCE {
            return Err(self.limit(span, "includes too many files"));
        }
        let source = Rc::new(Source::parse(self.arena, code, path, shown));
        if let Some((line, message)) = &source.broken {
            // PHP throws a ParseError, and so the site would not load; but the parser may be the one at fault.
            let why = Rc::new(Why {
                file: source.shown.clone(),
                line: *line,
                reason: format!("the file has a syntax error: {message}"),
                is_web_sapi: false,
            });
            return Ok(self.unknown_include(why));
        }
        let here = Here { source, uses: Rc::default(), ..self.here.clone() };
        let before = std::mem::replace(&mut self.here, here);
        let since = self.pending.len();
        self.includes += 1;
        let flow = self.file_body();
        let flow = self.arrive(since, flow, |flow| matches!(flow, Flow::Return(_)));
        self.includes -= 1;
        self.here = before;
        Ok(match flow? {
            Flow::Return(value) => value,
            _ => otherwise,
        })
    }

    /// Something ran that is not known: it may have defined any constant and changed any variable.
    pub fn unknown_include(&mut self, why: Rc<Why>) -> Value {
        self.state.forget_variables(&why);
        self.state.putenv.clear();
        self.state.moved.get_or_insert_with(|| why.clone());
        self.state.doubt.get_or_insert_with(|| why.clone());
        self.may_throw(&why);
        Value::unknown(why)
    }

    /// Reads a file, if the configuration's owner could.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        if !self.input.may_read(path) {
            return Err(Unreadable::Other("the owner of wp-config.php may not read it".into()));
        }
        source::read(path)
    }

    // Statements

    fn statements(&mut self, statements: &'a [Stmt<'a, 'a>]) -> Exec {
        for statement in statements {
            match self.statement(statement)? {
                Flow::Normal => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Normal)
    }

    pub fn block(&mut self, block: &'a Block<'a, 'a>) -> Exec {
        self.statements(&block.stmts)
    }

    fn statement(&mut self, statement: &'a Stmt<'a, 'a>) -> Exec {
        self.step(statement.span, 0)?;
        if self.depth >= MOST_DEPTH {
            return Err(self.limit(statement.span, "is nested too deeply"));
        }
        self.depth += 1;
        let flow = self.statement_inner(statement);
        self.depth -= 1;
        flow
    }

    fn statement_inner(&mut self, statement: &'a Stmt<'a, 'a>) -> Exec {
        let span = statement.span;
        match &statement.kind {
            StmtKind::Expression(expr) => {
                self.expr(expr)?;
            }
            StmtKind::Echo(exprs) => {
                for expr in exprs.iter() {
                    self.expr(expr)?;
                }
            }
            StmtKind::Return(expr) => {
                let value = match expr {
                    Some(expr) => self.expr(expr)?,
                    None => Value::null(),
                };
                return Ok(Flow::Return(value.with(&self.control)));
            }
            StmtKind::Block(block) => return self.block(block),
            StmtKind::If(branch) => {
                let branches: Vec<(&'a Expr<'a, 'a>, &'a Stmt<'a, 'a>)> =
                    std::iter::once((&branch.condition, branch.then_branch))
                        .chain(branch.elseif_branches.iter().map(|branch| (&branch.condition, &branch.body)))
                        .collect();
                return self.if_chain(&branches, branch.else_branch);
            }
            StmtKind::While(looped) => {
                return self.looped(Some(&looped.condition), &[], looped.body, false, span);
            }
            StmtKind::DoWhile(looped) => {
                return self.looped(Some(&looped.condition), &[], looped.body, true, span);
            }
            StmtKind::For(looped) => {
                for expr in looped.init.iter() {
                    self.expr(expr)?;
                }
                // All but the last condition are evaluated for what they do only.
                if looped.condition.len() > 1 {
                    return Err(self.limit(span, "has a loop with several conditions"));
                }
                return self.looped(looped.condition.first(), &looped.update, looped.body, false, span);
            }
            StmtKind::Foreach(looped) => {
                let mut subject = self.expr(&looped.expr)?;
                if looped.by_ref {
                    // The elements may be changed through the reference, which is not followed.
                    if is_written_to(&looped.expr) {
                        self.refer(&looped.expr)?;
                    }
                    self.refer(&looped.value)?;
                    subject = self.unknown(span, "it is changed through a reference");
                }
                let flow = self.foreach(&subject, looped.key.as_ref(), &looped.value, looped.body, span);
                return flow;
            }
            StmtKind::Break(levels) => return Ok(Flow::Break(self.levels(*levels, span)?)),
            StmtKind::Continue(levels) => return Ok(Flow::Continue(self.levels(*levels, span)?)),
            StmtKind::Switch(switch) => return self.switch(switch),
            StmtKind::Declare(declare) => {
                for (name, value) in declare.directives.iter() {
                    if name.eq_ignore_ascii_case("strict_types") {
                        self.here.uses.borrow_mut().is_strict = matches!(value.kind, ExprKind::Int(1));
                    }
                }
                if let Some(body) = declare.body {
                    return self.statement(body);
                }
            }
            StmtKind::Unset(exprs) => {
                for expr in exprs.iter() {
                    self.clear(expr)?;
                }
            }
            StmtKind::Throw(expr) => {
                self.expr(expr)?;
                return Err(self.throw(span, thrown(expr)));
            }
            StmtKind::TryCatch(tried) => return self.try_catch(tried, span),
            StmtKind::Global(exprs) => {
                for expr in exprs.iter() {
                    if let (ExprKind::Variable(name), Some(scope)) =
                        (&expr.kind, self.state.locals.last_mut())
                    {
                        scope.insert(name.as_str().to_owned(), Local::Global(name.as_str().to_owned()));
                    }
                }
            }
            StmtKind::Function(_)
            | StmtKind::Class(_)
            | StmtKind::Interface(_)
            | StmtKind::Trait(_)
            | StmtKind::Enum(_) => self.declare(statement),
            StmtKind::Namespace(namespace) => {
                if let NamespaceBody::Braced(block) = &namespace.body {
                    return self.block(block);
                }
            }
            StmtKind::Use(declaration) => {
                for item in declaration.uses.iter() {
                    let full = item.name.join_parts().to_ascii_lowercase();
                    let last = full.rsplit('\\').next().unwrap_or(&full).to_owned();
                    let alias =
                        item.alias.and_then(|alias| alias.as_str()).map_or(last, str::to_ascii_lowercase);
                    let mut uses = self.here.uses.borrow_mut();
                    if item.kind.unwrap_or(declaration.kind) == UseKind::Const {
                        let full = item.name.join_parts();
                        let last = full.rsplit('\\').next().unwrap_or(&full).to_owned();
                        let alias = item.alias.and_then(|alias| alias.as_str()).map_or(last, str::to_owned);
                        uses.constants.insert(alias, full.to_string());
                        continue;
                    }
                    match item.kind.unwrap_or(declaration.kind) {
                        UseKind::Function => uses.functions.insert(alias, full),
                        // `::class` gives it as it is written here.
                        UseKind::Normal => {
                            let written = item.name.join_parts();
                            uses.classes.insert(alias, written.trim_start_matches('\\').to_owned())
                        }
                        _ => None,
                    };
                }
            }
            StmtKind::Const(_) if self.here.uses.borrow().is_namespaced => {
                let why = self.why(span, "a constant of a namespace is not followed");
                self.unknown_call(why);
            }
            StmtKind::Const(items) => {
                for item in items.iter() {
                    let value = self.expr(&item.value)?;
                    if let Some(name) = item.name.as_str() {
                        self.define(name, value, item.span);
                    }
                }
            }
            StmtKind::StaticVar(items) => {
                for item in items.iter() {
                    let Some(name) = item.name.as_str() else { continue };
                    let key = format!("{}:{}:{name}", self.here.source.shown, item.span.start);
                    if !self.state.statics.contains_key(&key) {
                        let value = match &item.default {
                            Some(default) => self.expr(default)?,
                            None => Value::null(),
                        };
                        let value = value.with(&self.state.passed_over.get(&format!("s:{key}")).cloned());
                        self.state.statics.insert(key.clone(), value);
                    }
                    match self.state.locals.last_mut() {
                        Some(scope) => {
                            scope.insert(name.to_owned(), Local::Static(key));
                        }
                        None => {
                            let value = self.state.statics.get(&key).cloned().unwrap_or_else(Value::null);
                            self.set_variable(name, value, item.span);
                        }
                    }
                }
            }
            StmtKind::HaltCompiler(_) => return Ok(Flow::Return(Value::int(1))),
            StmtKind::Nop | StmtKind::InlineHtml(_) | StmtKind::Label(_) => {}
            // `goto`, what the parser could not read, and whatever a later parser adds.
            _ => return Err(self.limit(span, "uses a statement that is not followed")),
        }
        Ok(Flow::Normal)
    }

    fn levels(&mut self, levels: Option<&'a Expr<'a, 'a>>, span: Span) -> Result<u32, Stop> {
        match levels.map(|expr| &expr.kind) {
            None => Ok(1),
            Some(ExprKind::Int(number)) if (1..100).contains(number) => Ok(*number as u32),
            Some(_) => Err(self.limit(span, "leaves an unusual number of loops")),
        }
    }

    fn if_chain(
        &mut self,
        branches: &[(&'a Expr<'a, 'a>, &'a Stmt<'a, 'a>)],
        otherwise: Option<&'a Stmt<'a, 'a>>,
    ) -> Exec {
        let Some(((condition, body), rest)) = branches.split_first() else {
            return match otherwise {
                Some(body) => self.statement(body),
                None => Ok(Flow::Normal),
            };
        };
        let value = self.expr(condition)?;
        let unset = self.unset(&value.env);
        match (value.to_bool(), unset) {
            (Ok(true), None) => self.under(&value.env, |this| this.statement(body)),
            (Ok(false), None) => self.under(&value.env, |this| this.if_chain(rest, otherwise)),
            (Ok(true), Some(unset)) => {
                let how = self.assumed(&unset, condition.span);
                self.fork_flow(
                    how,
                    |this| this.under(&value.env, |this| this.statement(body)),
                    |this| this.if_chain(rest, otherwise),
                )
            }
            (Ok(false), Some(unset)) => {
                let how = self.assumed(&unset, condition.span);
                self.fork_flow(
                    how,
                    |this| this.under(&value.env, |this| this.if_chain(rest, otherwise)),
                    |this| this.statement(body),
                )
            }
            (Err(why), _) => {
                let is_forwarded = asks_for_forwarded_host(condition);
                let taken = |this: &mut Self| {
                    this.state.is_forwarded |= is_forwarded;
                    this.statement(body)
                };
                self.fork_flow(&why, taken, |this| this.if_chain(rest, otherwise))
            }
        }
    }

    /// A value that is there on this way: with [`State::is_forwarded`], what the proxy says.
    fn forwarded_host(&mut self, expr: &'a Expr<'a, 'a>) -> Eval {
        self.state.is_forwarded = true;
        self.expr(expr)
    }

    /// What is there already depends on `env` from here on, and so does every name that is not set yet.
    pub fn doubt_with(&mut self, env: &Option<Rc<Variables>>) {
        if let Some(unset) = self.unset(env) {
            self.state.doubt_with(&Some(unset));
        }
    }

    /// Whether a loop goes on; without a condition it does.
    fn truth(&mut self, condition: Option<&'a Expr<'a, 'a>>) -> Eval {
        match condition {
            Some(condition) => self.expr(condition),
            None => Ok(Value::bool(true)),
        }
    }

    fn looped(
        &mut self,
        condition: Option<&'a Expr<'a, 'a>>,
        updates: &'a [Expr<'a, 'a>],
        body: &'a Stmt<'a, 'a>,
        body_first: bool,
        span: Span,
    ) -> Exec {
        let since = self.pending.len();
        let result = self.rounds(condition, updates, body, body_first, None, span);
        self.end_loop(since, result)
    }

    /// The rounds of a loop. `decided`: the condition's value, where it is evaluated already.
    fn rounds(
        &mut self,
        condition: Option<&'a Expr<'a, 'a>>,
        updates: &'a [Expr<'a, 'a>],
        body: &'a Stmt<'a, 'a>,
        body_first: bool,
        decided: Option<bool>,
        span: Span,
    ) -> Exec {
        let mut skip_condition = body_first;
        // One fork covers all rounds of this loop.
        let is_assumed = decided.is_some();
        let mut decided = decided;
        loop {
            self.step(span, 0)?;
            if !std::mem::take(&mut skip_condition) {
                let truth = match decided.take() {
                    Some(truth) => Ok(truth),
                    None => {
                        let value = self.truth(condition)?;
                        let truth = value.to_bool();
                        if let (Ok(truth), false, Some(unset)) = (&truth, is_assumed, self.unset(&value.env))
                        {
                            let how = self.assumed(&unset, span);
                            let truth = *truth;
                            let why = how.why.clone();
                            return self.fork_flow(
                                how,
                                |this| this.rounds(condition, updates, body, false, Some(truth), span),
                                |this| this.unknown_times(&why, body, updates, condition),
                            );
                        }
                        truth
                    }
                };
                match truth {
                    Ok(true) => {}
                    Ok(false) => return Ok(Flow::Normal),
                    Err(why) => return self.unknown_times(&why, body, updates, condition),
                }
            }
            match self.iteration(body) {
                Ok(Flow::Normal) => {}
                other => return other,
            }
            for update in updates {
                self.expr(update)?;
            }
        }
    }

    fn iteration(&mut self, body: &'a Stmt<'a, 'a>) -> Exec {
        let since = self.pending.len();
        let flow = self.statement(body);
        match self.arrive(since, flow, |flow| matches!(flow, Flow::Continue(1))) {
            Ok(Flow::Continue(1)) => Ok(Flow::Normal),
            other => other,
        }
    }

    fn end_loop(&mut self, since: usize, flow: Exec) -> Exec {
        let flow = self.arrive(since, flow, |flow| matches!(flow, Flow::Break(1)));
        for pending in self.pending.iter_mut().skip(since) {
            if let Flow::Break(levels) | Flow::Continue(levels) = &mut pending.flow {
                *levels = levels.saturating_sub(1).max(1);
            }
        }
        match flow {
            Ok(Flow::Break(1)) => Ok(Flow::Normal),
            other => leave_loop(other),
        }
    }

    /// A loop that runs no one knows how often: whatever it changes becomes unknown. Rounds, each on the join of
    /// all before, until one changes nothing any more.
    fn unknown_times(
        &mut self,
        why: &Rc<Why>,
        body: &'a Stmt<'a, 'a>,
        updates: &'a [Expr<'a, 'a>],
        condition: Option<&'a Expr<'a, 'a>>,
    ) -> Exec {
        for _ in 0..12 {
            let before = self.state.known();
            let flow = self.fork_flow(
                why,
                |this| {
                    let flow = this.iteration(body)?;
                    if matches!(flow, Flow::Normal) {
                        for update in updates {
                            this.expr(update)?;
                        }
                        if let Some(condition) = condition {
                            this.expr(condition)?;
                        }
                    }
                    Ok(match flow {
                        Flow::Break(1) => Flow::Normal,
                        other => other,
                    })
                },
                |_| Ok(Flow::Normal),
            )?;
            match flow {
                Flow::Normal if self.state.known() == before => return Ok(Flow::Normal),
                Flow::Normal => {}
                other => return Ok(other),
            }
        }
        self.unknown_call(why.clone());
        Ok(Flow::Normal)
    }

    fn foreach(
        &mut self,
        subject: &Value,
        key: Option<&'a Expr<'a, 'a>>,
        target: &'a Expr<'a, 'a>,
        body: &'a Stmt<'a, 'a>,
        span: Span,
    ) -> Exec {
        if let (Some(unset), true) = (self.unset(&subject.env), subject.why().is_none()) {
            let how = self.assumed(&unset, span);
            let known = Value { env: None, ..subject.clone() };
            let other = Value::unknown(how.why.clone());
            let env = subject.env.clone();
            return self.fork_flow(
                how,
                |this| this.under(&env, |this| this.foreach(&known, key, target, body, span)),
                |this| this.foreach(&other, key, target, body, span),
            );
        }
        let since = self.pending.len();
        let (Data::Array(array) | Data::Object(array)) = &subject.data else {
            let why = match &subject.data {
                Data::Instance(_) => self.why(span, "it goes through the properties of an object"),
                _ => match subject.why() {
                    Some(why) => why,
                    None => return Ok(Flow::Normal),
                },
            };
            let unknown = Value::unknown(why.clone());
            if let Some(key) = key {
                self.assign(key, unknown.clone())?;
            }
            self.assign(target, unknown)?;
            let flow = self.unknown_times(&why, body, &[], None);
            return self.end_loop(since, flow);
        };
        if let Some(why) = array.open.clone() {
            let unknown = Value::array(Array { open: Some(why.clone()), ..Array::default() });
            let unknown = Value { data: Data::Unknown(why), ..unknown };
            return self.foreach(&unknown, key, target, body, span);
        }
        let mut result = Ok(Flow::Normal);
        for (element_key, value) in &array.entries {
            self.step(span, 0)?;
            if let Some(key) = key {
                self.assign(key, element_key.to_value().with(&subject.env))?;
            }
            self.assign(target, value.clone().with(&subject.env))?;
            match self.iteration(body) {
                Ok(Flow::Normal) => {}
                other => {
                    result = other;
                    break;
                }
            }
        }
        self.end_loop(since, result)
    }

    fn switch(&mut self, switch: &'a SwitchStmt<'a, 'a>) -> Exec {
        let subject = self.expr(&switch.expr)?;
        let since = self.pending.len();
        let env = subject.env.clone();
        let flow = match self.unset(&env).filter(|_| subject.why().is_none()) {
            None => self.under(&env, |this| this.switch_from(switch, 0, &subject)),
            Some(unset) => {
                let how = self.assumed(&unset, switch.expr.span);
                let known = Value { env: None, ..subject.clone() };
                let other = Value::unknown(how.why.clone());
                self.fork_flow(
                    how,
                    |this| this.under(&env, |this| this.switch_from(switch, 0, &known)),
                    |this| this.switch_from(switch, 0, &other),
                )
            }
        };
        let flow = match flow {
            // PHP: in a switch, `continue` is `break`.
            Ok(Flow::Continue(1)) => Ok(Flow::Break(1)),
            other => other,
        };
        let flow = self.arrive(since, flow, |flow| matches!(flow, Flow::Continue(1)));
        self.end_loop(since, flow)
    }

    fn switch_from(&mut self, switch: &'a SwitchStmt<'a, 'a>, from: usize, subject: &Value) -> Exec {
        let cases = &switch.body.cases;
        for index in from..cases.len() {
            let Some(test) = &cases[index].value else { continue };
            let value = self.expr(test)?;
            let answer = value::equal(subject, &value);
            if let (Ok(answer), Some(unset)) = (&answer, self.unset(&value.env)) {
                let how = self.assumed(&unset, test.span);
                let (answer, env) = (*answer, value.env.clone());
                let way = |takes: bool, env: Option<Rc<Variables>>| {
                    move |this: &mut Self| {
                        this.under(&env, |this| match takes {
                            true => this.switch_bodies(switch, index),
                            false => this.switch_from(switch, index + 1, subject),
                        })
                    }
                };
                return self.fork_flow(how, way(answer, env), way(!answer, None));
            }
            match answer {
                Ok(false) => {}
                Ok(true) => return self.switch_bodies(switch, index),
                Err(why) => {
                    return self.fork_flow(
                        &why,
                        |this| this.switch_bodies(switch, index),
                        |this| this.switch_from(switch, index + 1, subject),
                    );
                }
            }
        }
        match cases.iter().position(|case| case.value.is_none()) {
            Some(index) => self.switch_bodies(switch, index),
            None => Ok(Flow::Normal),
        }
    }

    fn switch_bodies(&mut self, switch: &'a SwitchStmt<'a, 'a>, from: usize) -> Exec {
        for case in switch.body.cases.iter().skip(from) {
            match self.statements(&case.body)? {
                Flow::Normal => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Normal)
    }

    fn try_catch(&mut self, tried: &'a TryCatchStmt<'a, 'a>, span: Span) -> Exec {
        let since = self.pending.len();
        let mark = self.mark();
        let functions = self.state.locals.len();
        self.tries += 1;
        let mut flow = self.block(tried.body);
        self.return_to(&mark);
        if matches!(flow, Err(Stop::Throw(_))) {
            self.state.locals.truncate(functions);
        }
        let mut caught = Vec::new();
        let mut index = since;
        while index < self.pending.len() {
            if matches!(self.pending[index].flow, Flow::MaybeThrow) {
                let Pending { mut state, how, .. } = self.pending.remove(index);
                state.locals.truncate(functions);
                caught.push((state, how));
            } else {
                index += 1;
            }
        }
        if let Err(Stop::Throw(why)) = &flow {
            match catching_clause(tried, why) {
                Some(Some(clause)) => flow = self.catch(clause, span),
                Some(None) => {}
                None => return Err(self.limit(span, "throws an exception that may be caught")),
            }
        }
        let is_sure = tried.catches.iter().any(|clause| {
            clause.types.iter().any(|name| {
                let name = name.join_parts().to_ascii_lowercase();
                matches!(name.rsplit('\\').next(), Some("throwable" | "exception"))
            })
        });
        for (state, how) in caught.into_iter().rev() {
            for clause in tried.catches.iter() {
                let after = std::mem::replace(&mut self.state, state.clone());
                let since = (self.pending.len(), self.finished.len());
                let other = self.catch(clause, span);
                self.return_to(&mark);
                if how.is_real() != Some(true) {
                    let waiting = self.pending.iter_mut().skip(since.0).map(|pending| &mut pending.how);
                    for waiting in waiting.chain(self.finished.iter_mut().skip(since.1).map(|(_, how)| how)) {
                        waiting.assumed.clone_from(&how.assumed);
                    }
                }
                let caught_state = std::mem::replace(&mut self.state, after);
                flow = match (flow, other) {
                    (Err(stop @ Stop::Limit(_)), _) | (_, Err(stop @ Stop::Limit(_))) => Err(stop),
                    (Ok(current), Ok(other)) => Ok(self.combine(current, other, caught_state, how.clone())),
                    (Ok(current), Err(stop)) => {
                        if how.is_real() == Some(true) && !self.may_go_on(&stop) {
                            self.state = caught_state;
                            Err(stop)
                        } else {
                            self.one_way_stopped(stop, caught_state, &how);
                            Ok(current)
                        }
                    }
                    (Err(stop), Ok(_)) if how.is_real() == Some(false) && !self.may_go_on(&stop) => Err(stop),
                    (Err(stop), Ok(other)) => {
                        let stopped = std::mem::replace(&mut self.state, caught_state);
                        self.one_way_stopped(stop, stopped, &how.flipped());
                        Ok(other)
                    }
                    (Err(stop), Err(other)) => {
                        self.one_way_stopped(other, caught_state, &how);
                        Err(stop)
                    }
                };
            }
            if !is_sure && self.tries > 0 {
                self.pending.push(Pending { flow: Flow::MaybeThrow, state, how });
            }
        }
        let Some(finally) = tried.finally else { return flow };
        // What waits leaves through it, too.
        for waiting in self.pending.split_off(since) {
            let now = std::mem::replace(&mut self.state, waiting.state);
            let end = self.block(finally);
            self.return_to(&mark);
            let state = std::mem::replace(&mut self.state, now);
            match end {
                Ok(Flow::Normal) => self.pending.push(Pending { state, ..waiting }),
                Ok(other) => self.pending.push(Pending { state, flow: other, how: waiting.how }),
                Err(stop @ Stop::Limit(_)) => return Err(stop),
                Err(stop) => self.one_way_stopped(stop, state, &waiting.how),
            }
        }
        // PHP: `exit` runs none of it.
        if matches!(flow, Err(Stop::Exit | Stop::Limit(_) | Stop::Settings)) {
            return flow;
        }
        match self.block(finally)? {
            Flow::Normal => flow,
            other => Ok(other),
        }
    }

    fn catch(&mut self, clause: &'a php_ast::CatchClause<'a, 'a>, span: Span) -> Exec {
        if let Some(name) = clause.var.and_then(|name| name.as_str()) {
            let value = self.unknown(span, "it is an exception");
            self.set_variable(name, value, clause.span);
        }
        self.block(clause.body)
    }

    // Variables and constants

    /// `define()`: the first one counts.
    pub fn define(&mut self, name: &str, value: Value, span: Span) -> bool {
        let value = value.with(&self.control).with(&self.state.passed_over.get(name).cloned());
        let value = value.with(&self.state.doubted);
        let (file, line) = (self.here.source.shown.clone(), self.here.source.line(span));
        if constants::value(name).is_some() || constants::is_everywhere(name) {
            return false;
        }
        match self.state.constants.get_mut(name) {
            Some(Constant { maybe: None, .. }) => false,
            Some(constant) => {
                // It has either the value it may have got before, or this one.
                if let Some(why) = constant.maybe.take() {
                    let before = std::mem::replace(&mut constant.value, Value::null());
                    constant.value = join_two(before, value, &why);
                }
                true
            }
            None => {
                let value = match &self.state.doubt {
                    Some(doubt) => Value::unknown(value.why().unwrap_or_else(|| doubt.clone())),
                    None => value,
                };
                self.state.constants.insert(name.to_owned(), Constant { value, file, line, maybe: None });
                true
            }
        }
    }

    /// `defined()`.
    pub fn defined(&self, name: &str) -> Value {
        let name = name.trim_start_matches('\\');
        let passed_over = merge(&self.state.passed_over.get(name).cloned(), &self.state.doubted);
        match self.state.constants.get(name) {
            Some(Constant { maybe: Some(why), .. }) => Value::unknown(why.clone()),
            Some(constant) => Value::bool(true).with(&constant.value.env),
            None if constants::value(name).is_some() => Value::bool(true),
            // WordPress: a web request has none of these, whatever this program's caller has.
            None if matches!(name, "WP_CLI" | "STDIN" | "STDOUT" | "STDERR") => Value::bool(false),
            None if constants::is_everywhere(name) => Value::bool(true),
            None if constants::may_exist(name) => {
                self.unknown(self.here.source.program.span, format!("whether there is {name} depends on PHP"))
            }
            None => match &self.state.doubt {
                Some(doubt) => Value::unknown(doubt.clone()),
                None => self.absent(Value::bool(false), &passed_over),
            },
        }
    }

    /// A value that says that something is not set, which the variables of `env` decided.
    pub fn absent(&self, value: Value, env: &Option<Rc<Variables>>) -> Value {
        let is_supposed =
            env.iter().flat_map(|env| env.keys()).any(|name| self.state.supposed.contains(name));
        if is_supposed {
            return self.unknown(self.here.source.program.span, "it depends on the environment");
        }
        value.with(env)
    }

    /// The value of a constant.
    pub fn constant(&mut self, name: &str, span: Span) -> Eval {
        let name = name.trim_start_matches('\\');
        if let Some(constant) = self.state.constants.get(name) {
            return Ok(match &constant.maybe {
                Some(why) => Value::unknown(why.clone()),
                None => constant.value.clone(),
            });
        }
        // A namespaced name falls back to the global constant.
        let last = name.rsplit('\\').next().unwrap_or(name);
        if last != name && self.state.constants.contains_key(last) {
            return self.constant(last, span);
        }
        if let Some(value) = constants::value(last) {
            return Ok(value);
        }
        if last == "PHP_SAPI" {
            return Ok(self.web_sapi(span));
        }
        let why = match &self.state.doubt {
            Some(doubt) => doubt.clone(),
            None => self.why(span, format!("the constant {last} is not defined in these files")),
        };
        // WordPress: ABSPATH is defined before the configuration is loaded, whether the root is known or not.
        if self.state.doubt.is_some()
            || self.state.composer
            || matches!(last, "ABSPATH" | "WP_CLI")
            || constants::may_exist(last)
        {
            return Ok(Value::unknown(why));
        }
        // PHP 8: an error that ends the program.
        Err(Stop::Throw(why))
    }

    pub fn web_sapi(&self, span: Span) -> Value {
        Value::new(Data::Unknown(Rc::new(Why {
            file: self.here.source.shown.clone(),
            line: self.here.source.line(span),
            reason: "PHP_SAPI depends on the web server".into(),
            is_web_sapi: true,
        })))
    }

    fn global(&self, name: &str) -> Value {
        match self.state.globals.get(name).or_else(|| self.state.globals.get(ANY)) {
            Some(variable) => variable.value.clone(),
            None => match &self.state.doubt {
                Some(doubt) => Value::unknown(doubt.clone()),
                None => self.absent(Value::null(), &self.state.doubted),
            },
        }
    }

    pub fn variable(&self, name: &str) -> Value {
        match self.state.locals.last() {
            None => self.global(name),
            Some(scope) => match scope.get(name).or_else(|| scope.get(ANY)) {
                None => Value::null(),
                Some(Local::Own(value)) => value.clone(),
                Some(Local::Reference(why)) => Value::unknown(why.clone()),
                Some(Local::Global(global)) => self.global(global),
                Some(Local::Static(key)) => self.state.statics.get(key).cloned().unwrap_or_else(Value::null),
            },
        }
    }

    pub fn set_global(&mut self, name: &str, value: Value, span: Span) {
        let value = match self.state.references.get(name) {
            Some(why) => Value::unknown(why.clone()),
            None => value.with(&self.control),
        };
        let (file, line) = (self.here.source.shown.clone(), self.here.source.line(span));
        self.state.globals.insert(name.to_owned(), Variable { value, file, line });
    }

    /// Lets go of a variable's value, so that changing what was taken from it needs no copy.
    fn release(&mut self, name: &str) {
        let slot = match self.state.locals.last_mut() {
            None => self.state.globals.get_mut(name).map(|variable| &mut variable.value),
            Some(scope) => match scope.get_mut(name) {
                Some(Local::Own(value)) => Some(value),
                _ => None,
            },
        };
        if let Some(slot) = slot {
            *slot = Value::null();
        }
    }

    fn set_static(&mut self, key: String, value: Value) {
        let value = match self.state.references.get(&format!("s:{key}")) {
            Some(why) => Value::unknown(why.clone()),
            None => value,
        };
        self.state.statics.insert(key, value);
    }

    pub fn set_variable(&mut self, name: &str, value: Value, span: Span) {
        let value = value.with(&self.control);
        let Some(scope) = self.state.locals.last_mut() else { return self.set_global(name, value, span) };
        match scope.get(name) {
            Some(Local::Global(global)) => {
                let global = global.clone();
                self.set_global(&global, value, span);
            }
            Some(Local::Static(key)) => {
                let key = key.clone();
                self.set_static(key, value);
            }
            Some(Local::Reference(_)) => {}
            _ => {
                scope.insert(name.to_owned(), Local::Own(value));
            }
        }
    }

    /// The variable that `expr` leads to takes part in a reference from here on: others may change it.
    pub fn refer(&mut self, expr: &'a Expr<'a, 'a>) -> Result<(), Stop> {
        let place = self.place(expr)?;
        let why = self.why(expr.span, "it is a reference");
        let unknown = Value::unknown(why.clone());
        match place.root {
            PlaceRoot::Variable(name) => self.refer_name(&name, &why, expr.span),
            PlaceRoot::Global(name) => self.refer_global(&name, &why, expr.span),
            PlaceRoot::Superglobal(name) => {
                self.state.superglobals.insert(name, Array { open: Some(why), ..Array::default() });
            }
            PlaceRoot::Property(id, _) => {
                self.state.references.insert(format!("o:{id}"), why.clone());
                if let Some(object) = self.state.objects.get_mut(&id) {
                    object.properties = Array { open: Some(why), ..Array::default() };
                }
            }
            PlaceRoot::Static(key) => {
                self.state.references.insert(format!("s:{key}"), why);
                self.set_static(key, unknown);
            }
            PlaceRoot::Elsewhere => {}
        }
        Ok(())
    }

    fn refer_name(&mut self, name: &str, why: &Rc<Why>, span: Span) {
        match self.state.locals.last().map(|scope| scope.get(name).cloned()) {
            None => self.refer_global(name, why, span),
            Some(Some(Local::Global(global))) => self.refer_global(&global, why, span),
            Some(other) => {
                if let Some(Local::Static(key)) = other {
                    self.state.references.insert(format!("s:{key}"), why.clone());
                    self.set_static(key, Value::unknown(why.clone()));
                }
                if let Some(scope) = self.state.locals.last_mut() {
                    scope.insert(name.to_owned(), Local::Reference(why.clone()));
                }
            }
        }
    }

    fn refer_global(&mut self, name: &str, why: &Rc<Why>, span: Span) {
        self.state.references.insert(name.to_owned(), why.clone());
        self.set_global(name, Value::unknown(why.clone()), span);
    }

    /// Where an expression that can be assigned to leads.
    pub fn place(&mut self, expr: &'a Expr<'a, 'a>) -> Result<Place, Stop> {
        Ok(match &expr.kind {
            ExprKind::Variable(name) => {
                let root = match superglobal(name.as_str()) {
                    Some(name) => PlaceRoot::Superglobal(name),
                    None => PlaceRoot::Variable(name.as_str().to_owned()),
                };
                Place { root, path: Vec::new() }
            }
            ExprKind::VariableVariable(inner) => {
                let name = self.expr(inner)?;
                self.doubt_with(&name.env);
                match name.to_bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()) {
                    Some(name) => Place { root: PlaceRoot::Variable(name), path: Vec::new() },
                    None => {
                        let why = self.why(expr.span, "which variable is assigned cannot be known");
                        self.state.forget_variables(&why);
                        Place { root: PlaceRoot::Elsewhere, path: Vec::new() }
                    }
                }
            }
            ExprKind::ArrayAccess(access) => {
                if let ExprKind::Variable(name) = &access.array.kind
                    && name.as_str() == "GLOBALS"
                {
                    let key = match access.index {
                        Some(index) => {
                            let key = self.expr(index)?;
                            self.doubt_with(&key.env);
                            key.to_bytes()
                        }
                        None => None,
                    };
                    return Ok(match key.and_then(|key| String::from_utf8(key.to_vec()).ok()) {
                        Some(name) => Place { root: PlaceRoot::Global(name), path: Vec::new() },
                        None => {
                            let why = self.why(expr.span, "which variable is assigned cannot be known");
                            self.state.forget_variables(&why);
                            Place { root: PlaceRoot::Elsewhere, path: Vec::new() }
                        }
                    });
                }
                let mut place = self.place(access.array)?;
                let key = match access.index {
                    Some(index) => Some(self.expr(index)?),
                    None => None,
                };
                place.path.push(key);
                place
            }
            ExprKind::Parenthesized(inner) => self.place(inner)?,
            ExprKind::PropertyAccess(access) | ExprKind::NullsafePropertyAccess(access) => {
                let object = self.expr(access.object)?;
                if let (Data::Instance(id), Some(name)) = (&object.data, self.property_name(access.property)?)
                {
                    return Ok(self.property_place(*id, &name, expr.span));
                }
                // Objects are shared, so a changed property may be seen through any variable that has one.
                let why = self.why(expr.span, "it is an object whose properties are changed");
                self.forget_objects(&why);
                Place { root: PlaceRoot::Elsewhere, path: Vec::new() }
            }
            ExprKind::StaticPropertyAccess(access) => {
                let class = self.class_of(access.class)?;
                let key = match (&class, static_name(access.member)) {
                    (Some(class), Some(name)) => self.static_property(class, name, expr.span)?,
                    _ => None,
                };
                if key.is_none() && class.is_some_and(|class| matches!(&*class, "env\\env" | "env")) {
                    // What env() gives depends on it.
                    let unknown = self.unknown(expr.span, "it changes how env() works");
                    self.state.statics.insert(super::functions::ENV_OPTIONS.to_owned(), unknown);
                }
                Place { root: key.map_or(PlaceRoot::Elsewhere, PlaceRoot::Static), path: Vec::new() }
            }
            _ => Place { root: PlaceRoot::Elsewhere, path: Vec::new() },
        })
    }

    fn property_name(&mut self, property: &'a Expr<'a, 'a>) -> Result<Option<Rc<[u8]>>, Stop> {
        Ok(match property.name_str() {
            Some(name) if matches!(property.kind, ExprKind::Identifier(_)) => Some(name.as_bytes().into()),
            _ => self.expr(property)?.to_bytes(),
        })
    }

    fn property_place(&mut self, id: usize, name: &[u8], span: Span) -> Place {
        let class = self.state.objects.get(&id).map(|object| object.class.clone());
        let may_use =
            class.is_some_and(|class| self.may_use_property(&class, &String::from_utf8_lossy(name)));
        if may_use {
            return Place { root: PlaceRoot::Property(id, Key::from_bytes(name)), path: Vec::new() };
        }
        let why = self.why(span, "it changes a property that is not its own");
        if let Some(object) = self.state.objects.get_mut(&id) {
            object.properties = Array { open: Some(why), ..Array::default() };
        }
        Place { root: PlaceRoot::Elsewhere, path: Vec::new() }
    }

    /// `$object->name`.
    fn property(&mut self, id: usize, name: &[u8], span: Span) -> Value {
        let Some(object) = self.state.objects.get(&id) else {
            return self.unknown(span, "it reads an unknown object");
        };
        let class = object.class.clone();
        let found = object.properties.get(&Key::from_bytes(name)).cloned();
        let open = object.properties.open.clone();
        if !self.may_use_property(&class, &String::from_utf8_lossy(name)) {
            return self.unknown(span, "it reads a property that is not its own");
        }
        found.unwrap_or_else(|| open.map_or_else(Value::null, Value::unknown))
    }

    fn forget_objects(&mut self, why: &Rc<Why>) {
        let forget = |value: &mut Value| {
            if holds_object(value) {
                *value = Value::unknown(why.clone());
            }
        };
        self.state.globals.values_mut().for_each(|variable| forget(&mut variable.value));
        self.state.statics.values_mut().for_each(forget);
        for local in self.state.locals.iter_mut().flat_map(HashMap::values_mut) {
            if let Local::Own(value) = local {
                forget(value);
            }
        }
        self.state.constants.values_mut().for_each(|constant| forget(&mut constant.value));
    }

    pub fn assign_place(&mut self, place: Place, value: Value, span: Span) -> Result<(), Stop> {
        let Place { root, path } = place;
        let value = value.with(&self.control);
        match root {
            PlaceRoot::Elsewhere => {}
            PlaceRoot::Superglobal(name) => {
                if let ("_SERVER", [Some(key)]) = (name, &path[..])
                    && value.env.is_none()
                    && key.to_bytes().is_some_and(|key| key.starts_with(b"HTTP_"))
                {
                    let before = self.superglobal_element(name, key, span);
                    // What a proxy says of the host is there already: so it is the same on both ways.
                    if before.env.is_none() && value::identical(&before, &value) == Ok(true) {
                        return Ok(());
                    }
                }
                let before = self.state.superglobals.get(name).cloned().unwrap_or_default();
                let after = self.set_in(Value::array(before), &path, value, span)?;
                match after.data {
                    Data::Array(array) => {
                        self.state.superglobals.insert(name, Rc::unwrap_or_clone(array));
                    }
                    _ => {
                        let why = self.why(span, format!("${name} was replaced"));
                        self.state.superglobals.insert(name, Array { open: Some(why), ..Array::default() });
                    }
                }
            }
            PlaceRoot::Property(id, key) => {
                let object = self.state.objects.get(&id);
                let class = object.map(|object| object.class.clone());
                let is_set = object.is_some_and(|object| object.properties.get(&key).is_some());
                let before = object.map(|object| match object.properties.get(&key) {
                    Some(before) => before.clone(),
                    None => object.properties.open.clone().map_or_else(Value::null, Value::unknown),
                });
                let after = match self.state.references.get(&format!("o:{id}")) {
                    Some(why) => Value::unknown(why.clone()),
                    None => self.set_in(before.unwrap_or_else(Value::null), &path, value, span)?,
                };
                let after = match class {
                    Some(class) => self.accepted(&class, &key.to_bytes(), after, is_set, span)?,
                    None => after,
                };
                if let Some(object) = self.state.objects.get_mut(&id) {
                    object.properties.set(key, after);
                }
            }
            PlaceRoot::Static(key) => {
                let before = self.state.statics.get(&key).cloned().unwrap_or_else(Value::null);
                let after = self.set_in(before, &path, value, span)?;
                let after = match key.split_once("::$") {
                    Some((class, name)) => self.accepted(class, name.as_bytes(), after, false, span)?,
                    None => after,
                };
                self.set_static(key, after);
            }
            PlaceRoot::Variable(name) => {
                let before = if path.is_empty() { Value::null() } else { self.variable(&name) };
                if !path.is_empty() {
                    self.release(&name);
                }
                let after = self.set_in(before, &path, value, span)?;
                self.set_variable(&name, after, span);
            }
            PlaceRoot::Global(name) => {
                let before = if path.is_empty() { Value::null() } else { self.global(&name) };
                let after = self.set_in(before, &path, value, span)?;
                self.set_global(&name, after, span);
            }
        }
        Ok(())
    }

    fn set_in(&mut self, container: Value, path: &[Option<Value>], value: Value, span: Span) -> Eval {
        let Some((key, rest)) = path.split_first() else { return Ok(value) };
        // Which element it is depends on what the key depends on.
        let env = merge(&container.env, &key.as_ref().and_then(|key| key.env.clone()));
        let mut array = match container.data {
            Data::Array(array) => array,
            Data::Null | Data::Bool(false) => Rc::new(Array::default()),
            Data::Unknown(why) => return Ok(Value::unknown(why)),
            _ => return Ok(self.unknown(span, "it assigns to a part of what is not an array")),
        };
        if array.entries.len() >= MOST_ELEMENTS {
            return Err(self.limit(span, "builds an array that is too large"));
        }
        self.step(span, array.entries.len() / 64)?;
        if Rc::strong_count(&array) > 1 {
            self.charge(span, array.entries.len() * 48)?;
        }
        let inner = Rc::make_mut(&mut array);
        match key {
            None => {
                if let Some(why) = inner.open.clone() {
                    return Ok(Value::unknown(why));
                }
                if inner.counts_from_below() {
                    return Ok(
                        self.unknown(span, "which key comes after a negative one depends on PHP's version")
                    );
                }
                let value = self.set_in(Value::null(), rest, value, span)?;
                inner.push(value);
            }
            Some(key) => match key.to_key() {
                Some(key) => {
                    let before = match inner.get(&key) {
                        Some(before) => before.clone(),
                        None => inner.open.clone().map_or_else(Value::null, Value::unknown),
                    };
                    let value = self.set_in(before, rest, value, span)?;
                    inner.set(key, value);
                }
                None => {
                    let why = key
                        .why()
                        .unwrap_or_else(|| self.why(span, "the key is not one that an array can have"));
                    return Ok(Value::unknown(why));
                }
            },
        }
        if array.depth > MOST_ARRAY_DEPTH {
            return Err(self.limit(span, "builds an array that is too deep"));
        }
        Ok(Value { data: Data::Array(array), env })
    }

    pub fn assign(&mut self, target: &'a Expr<'a, 'a>, value: Value) -> Result<(), Stop> {
        if let ExprKind::Array(elements) = &target.kind {
            // `[$a, 'k' => $b] = …`
            for (position, element) in (0..).zip(elements.iter()) {
                let key = match &element.key {
                    Some(key) => self.expr(key)?,
                    None => Value::int(position),
                };
                let inner = element.value();
                if matches!(inner.kind, ExprKind::Omit) {
                    continue;
                }
                if matches!(element.kind, ArrayElementKind::ByRef(_)) {
                    self.refer(inner)?;
                    continue;
                }
                let part = match &value.data {
                    // PHP: what is no array has no elements, not even a string.
                    Data::Str(_) => Value::null().with(&value.env),
                    _ => self.index(&value, &key, inner.span),
                };
                self.assign(inner, part)?;
            }
            return Ok(());
        }
        let place = self.place(target)?;
        self.assign_place(place, value, target.span)
    }

    fn clear(&mut self, expr: &'a Expr<'a, 'a>) -> Result<(), Stop> {
        let place = self.place(expr)?;
        let Some((last, path)) = place.path.split_last() else {
            match place.root {
                PlaceRoot::Variable(name) => match self.state.locals.last_mut() {
                    Some(scope) => {
                        scope.insert(name, Local::Own(Value::null().with(&self.control)));
                    }
                    None => {
                        self.state.references.remove(&name);
                        self.set_global(&name, Value::null(), expr.span);
                    }
                },
                PlaceRoot::Global(name) => {
                    self.state.references.remove(&name);
                    self.set_global(&name, Value::null(), expr.span);
                }
                PlaceRoot::Property(id, key) => {
                    if let Some(object) = self.state.objects.get_mut(&id) {
                        object.properties.remove(&key);
                    }
                }
                PlaceRoot::Static(_) => return Err(self.throw(expr.span, "it removes a static property")),
                PlaceRoot::Superglobal(_) | PlaceRoot::Elsewhere => {}
            }
            return Ok(());
        };
        if let (PlaceRoot::Superglobal(_), [], Some(_)) = (&place.root, path, last) {
            // Null is as good as absent, and hides what the environment holds.
            return self.assign_place(place, Value::null(), expr.span);
        }
        let mut container = match &place.root {
            PlaceRoot::Variable(name) => self.variable(name),
            PlaceRoot::Global(name) => self.global(name),
            PlaceRoot::Property(id, key) => match self.state.objects.get(id) {
                Some(object) => object.properties.get(key).cloned().unwrap_or_else(Value::null),
                None => return Ok(()),
            },
            PlaceRoot::Static(key) => self.state.statics.get(key).cloned().unwrap_or_else(Value::null),
            _ => return Ok(()),
        };
        for key in path {
            container = match key {
                Some(key) => self.index(&container, key, expr.span),
                None => return Ok(()),
            };
        }
        let of_key = last.as_ref().and_then(|key| key.env.clone());
        let changed = match (container.data, last.as_ref().and_then(Value::to_key)) {
            (Data::Array(mut array), Some(key)) => {
                Rc::make_mut(&mut array).remove(&key);
                Value { data: Data::Array(array), env: merge(&container.env, &of_key) }
            }
            (Data::Null, _) => return Ok(()),
            (Data::Unknown(why), _) => Value::unknown(why),
            _ => self.unknown(expr.span, "which element is removed cannot be known"),
        };
        let place = Place { root: place.root, path: path.to_vec() };
        self.assign_place(place, changed, expr.span)
    }

    // Expressions

    pub fn expr(&mut self, expr: &'a Expr<'a, 'a>) -> Eval {
        self.step(expr.span, 0)?;
        if self.depth >= MOST_DEPTH {
            return Err(self.limit(expr.span, "is nested too deeply"));
        }
        self.depth += 1;
        let value = self.expr_inner(expr);
        self.depth -= 1;
        value
    }

    fn expr_inner(&mut self, expr: &'a Expr<'a, 'a>) -> Eval {
        let span = expr.span;
        Ok(match &expr.kind {
            ExprKind::Int(value) => Value::int(*value),
            ExprKind::Float(value) => Value::new(Data::Float(*value)),
            ExprKind::Bool(value) => Value::bool(*value),
            ExprKind::Null => Value::null(),
            ExprKind::String(bytes) => Value::bytes(self.here.source.bytes(bytes)),
            ExprKind::Nowdoc { value, .. } => Value::bytes(self.here.source.bytes(value.as_bytes())),
            ExprKind::InterpolatedString(parts) | ExprKind::Heredoc { parts, .. } => {
                let mut pieces = Vec::with_capacity(parts.len());
                for part in parts.iter() {
                    pieces.push(match part {
                        StringPart::Literal(bytes) => Value::bytes(self.here.source.bytes(bytes)),
                        StringPart::Expr(expr) => self.expr(expr)?,
                        _ => self.unknown(span, "it uses an interpolation that is not followed"),
                    });
                }
                return self.concat(&pieces, span);
            }
            ExprKind::Variable(name) => match name.as_str() {
                "GLOBALS" => self.unknown(span, "it uses $GLOBALS as a whole"),
                other => match superglobal(other) {
                    Some(name) => self.whole_superglobal(name, span),
                    None => self.variable(other),
                },
            },
            ExprKind::VariableVariable(inner) => {
                let name = self.expr(inner)?;
                match name.to_bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()) {
                    Some(name) => self.variable(&name),
                    None => self.unknown(span, "which variable is meant cannot be known"),
                }
            }
            ExprKind::Name(name) => return self.name_constant(name, span),
            ExprKind::Assign(assign) => return self.assignment(assign, span),
            ExprKind::Binary(binary) => return self.binary(binary, span),
            ExprKind::UnaryPrefix(unary) => {
                if let UnaryPrefixOp::PreIncrement | UnaryPrefixOp::PreDecrement = unary.op {
                    if has_moving_keys(unary.operand) {
                        return self.unclear_order(unary.operand, span);
                    }
                    let before = self.expr(unary.operand)?;
                    let after = self.increment(&before, unary.op == UnaryPrefixOp::PreIncrement, span);
                    self.assign(unary.operand, after.clone())?;
                    return Ok(after);
                }
                let value = self.expr(unary.operand)?;
                let env = value.env.clone();
                let result = match unary.op {
                    UnaryPrefixOp::BooleanNot => match value.to_bool() {
                        Ok(value) => Value::bool(!value),
                        Err(why) => Value::unknown(why),
                    },
                    UnaryPrefixOp::Negate => self.arithmetic(BinaryOp::Mul, &value, &Value::int(-1), span)?,
                    UnaryPrefixOp::Plus => self.arithmetic(BinaryOp::Mul, &value, &Value::int(1), span)?,
                    UnaryPrefixOp::BitwiseNot => match value.data {
                        Data::Int(number) => Value::int(!number),
                        _ => self.unknown(span, "it negates the bits of what is no integer"),
                    },
                    _ => self.unknown(span, "it uses an operator that is not followed"),
                };
                result.with(&env)
            }
            ExprKind::UnaryPostfix(unary) => {
                if has_moving_keys(unary.operand) {
                    return self.unclear_order(unary.operand, span);
                }
                let before = self.expr(unary.operand)?;
                let after = self.increment(&before, unary.op == UnaryPostfixOp::PostIncrement, span);
                self.assign(unary.operand, after)?;
                before
            }
            ExprKind::Ternary(ternary) => {
                let condition = self.expr(ternary.condition)?;
                let env = condition.env.clone();
                match condition.to_bool() {
                    Ok(truth) => {
                        let taken = |this: &mut Self| match (truth, ternary.then_expr) {
                            (true, None) => Ok(condition),
                            (true, Some(then)) => this.under(&env, |this| this.expr(then)),
                            (false, _) => this.under(&env, |this| this.expr(ternary.else_expr)),
                        };
                        let other = if truth { Some(ternary.else_expr) } else { ternary.then_expr };
                        self.with_other(&env, span, taken, other)?
                    }
                    Err(why) => {
                        let is_forwarded = asks_for_forwarded_host(ternary.condition);
                        return self.fork_value(
                            &why,
                            |this| match ternary.then_expr {
                                Some(then) if is_forwarded => this.forwarded_host(then),
                                Some(then) => this.expr(then),
                                None if is_forwarded => this.forwarded_host(ternary.condition),
                                None => Ok(condition),
                            },
                            |this| this.expr(ternary.else_expr),
                        );
                    }
                }
            }
            ExprKind::NullCoalesce(coalesce) => {
                let left = self.expr(coalesce.left)?;
                let env = left.env.clone();
                match left.data {
                    // With a value there, nothing else would happen.
                    Data::Null if is_harmless(coalesce.right) || self.unset(&env).is_none() => {
                        self.under(&env, |this| this.expr(coalesce.right))?.with(&env)
                    }
                    Data::Null => match self.unset(&env) {
                        None => self.expr(coalesce.right)?,
                        Some(unset) => {
                            let how = self.assumed(&unset, span);
                            let other = Value::unknown(how.why.clone());
                            let right = |this: &mut Self| this.under(&env, |this| this.expr(coalesce.right));
                            self.fork_value(how, right, |_| Ok(other))?.with(&env)
                        }
                    },
                    Data::Unknown(ref why) => {
                        let why = why.clone();
                        let is_forwarded = asks_for_forwarded_host(coalesce.left);
                        return self.fork_value(
                            &why,
                            |this| if is_forwarded { this.forwarded_host(coalesce.left) } else { Ok(left) },
                            |this| this.expr(coalesce.right),
                        );
                    }
                    _ => left,
                }
            }
            ExprKind::FunctionCall(call) => return self.call_expr(call, span),
            ExprKind::Array(elements) => {
                let mut array = Array::default();
                let mut holds_references = false;
                let mut of_keys = None;
                for element in elements.iter() {
                    let key = match &element.key {
                        Some(key) => Some(self.expr(key)?),
                        None => None,
                    };
                    let value = self.expr(element.value())?;
                    match &element.kind {
                        ArrayElementKind::Spread(_) => match &value.data {
                            Data::Array(inner) => {
                                for (key, value) in &inner.entries {
                                    match key {
                                        Key::Int(_) => array.push(value.clone()),
                                        Key::Str(_) => array.set(key.clone(), value.clone()),
                                    }
                                }
                                array.open = array.open.or_else(|| inner.open.clone());
                                of_keys = merge(&of_keys, &value.env);
                            }
                            _ => return Ok(self.unknown(span, "it spreads what is not known")),
                        },
                        ArrayElementKind::ByRef(_) => {
                            self.refer(element.value())?;
                            holds_references = true;
                        }
                        _ => match key {
                            None if array.counts_from_below() => {
                                return Ok(self.unknown(
                                    span,
                                    "which key comes after a negative one depends on PHP's version",
                                ));
                            }
                            None => array.push(value),
                            Some(key) => match key.to_key() {
                                Some(name) => {
                                    of_keys = merge(&of_keys, &key.env);
                                    array.set(name, value);
                                }
                                None => {
                                    return Ok(match key.why() {
                                        Some(why) => Value::unknown(why),
                                        None => self.unknown(span, "an array has a key that is none"),
                                    });
                                }
                            },
                        },
                    }
                    if array.entries.len() > MOST_ELEMENTS || array.depth > MOST_ARRAY_DEPTH {
                        return Err(self.limit(span, "builds an array that is too large"));
                    }
                }
                if holds_references {
                    return Ok(self.unknown(span, "it holds references"));
                }
                Value::array(array).with(&of_keys)
            }
            ExprKind::ArrayAccess(access) => {
                let Some(index) = access.index else {
                    return Ok(self.unknown(span, "it reads from []"));
                };
                if let ExprKind::Variable(name) = &access.array.kind {
                    if name.as_str() == "GLOBALS" {
                        let key = self.expr(index)?;
                        return Ok(
                            match key.to_bytes().and_then(|key| String::from_utf8(key.to_vec()).ok()) {
                                Some(name) => self.global(&name),
                                None => self.unknown(span, "which variable is meant cannot be known"),
                            },
                        );
                    }
                    if let Some(name) = superglobal(name.as_str()) {
                        let key = self.expr(index)?;
                        return Ok(self.superglobal_element(name, &key, span));
                    }
                }
                if let ExprKind::Variable(_) = &access.array.kind {
                    // PHP: a plain variable is read when its index is known.
                    let key = self.expr(index)?;
                    let container = self.expr(access.array)?;
                    return Ok(self.index(&container, &key, span));
                }
                let container = self.expr(access.array)?;
                let key = self.expr(index)?;
                self.index(&container, &key, span)
            }
            ExprKind::Print(inner) => {
                self.expr(inner)?;
                Value::int(1)
            }
            ExprKind::Parenthesized(inner) | ExprKind::ErrorSuppress(inner) => return self.expr(inner),
            ExprKind::Cast(kind, inner) => {
                let value = self.expr(inner)?;
                let env = value.env.clone();
                self.cast(*kind, value, span).with(&env)
            }
            ExprKind::Isset(exprs) => {
                let mut env = None;
                for expr in exprs.iter() {
                    let value = self.expr(expr)?;
                    env = merge(&env, &value.env);
                    match value.data {
                        Data::Null => return Ok(Value::bool(false).with(&env)),
                        Data::Unknown(why) => return Ok(Value::unknown(why)),
                        _ => {}
                    }
                }
                Value::bool(true).with(&env)
            }
            ExprKind::Empty(inner) => {
                let value = self.expr(inner)?;
                match value.to_bool() {
                    Ok(truth) => Value::bool(!truth).with(&value.env),
                    Err(why) => Value::unknown(why),
                }
            }
            ExprKind::Include(kind, argument) => return self.include(*kind, argument, span),
            ExprKind::Eval(inner) => {
                let code = self.expr(inner)?;
                let Some(code_bytes) = code.to_bytes() else {
                    let why = self.why(span, "which code is given to eval cannot be known");
                    return Ok(self.unknown_include(why));
                };
                if code_bytes.is_empty() {
                    return Ok(Value::null());
                }
                let mut program = b"<?php ".to_vec();
                program.extend_from_slice(&code_bytes);
                let path = self.here.source.path.clone();
                let shown: Rc<str> =
                    format!("{}:{} eval", self.here.source.shown, self.here.source.line(span)).into();
                self.doubt_with(&code.env);
                let run = |this: &mut Self| this.run_code(&program, path, shown, span, Value::null());
                let result = self.under(&code.env, run)?;
                self.doubt_with(&code.env);
                result.with(&code.env)
            }
            ExprKind::Exit(inner) => {
                if let Some(inner) = inner {
                    self.expr(inner)?;
                }
                return Err(Stop::Exit);
            }
            ExprKind::Throw(inner) => {
                self.expr(inner)?;
                return Err(self.throw(span, thrown(inner)));
            }
            ExprKind::MagicConst(kind) => self.magic(*kind, span),
            ExprKind::Match(matched) => {
                let subject = self.expr(matched.subject)?;
                let unset = self.unset(&subject.env).filter(|_| {
                    subject.why().is_none() && !matched.arms.iter().all(|arm| is_harmless(&arm.body))
                });
                let Some(unset) = unset else { return self.match_from(matched, 0, 0, &subject, span) };
                let how = self.assumed(&unset, span);
                let other = Value::unknown(how.why.clone());
                let known = Value { env: None, ..subject.clone() };
                let env = subject.env.clone();
                let value = self.fork_value(
                    how,
                    |this| this.under(&env, |this| this.match_from(matched, 0, 0, &known, span)),
                    |this| this.match_from(matched, 0, 0, &other, span),
                )?;
                return Ok(value.with(&env));
            }
            ExprKind::Closure(closure) => {
                let mut captured = HashMap::new();
                if let (false, this @ Value { data: Data::Instance(_), .. }) =
                    (closure.is_static, self.variable("this"))
                {
                    captured.insert("this".to_owned(), Local::Own(this));
                }
                for used in closure.use_vars.iter() {
                    let Some(name) = used.name.as_str() else { continue };
                    if used.by_ref {
                        let why = self.why(span, "a closure has a reference to it");
                        self.refer_name(name, &why, span);
                        captured.insert(name.to_owned(), Local::Reference(why));
                    } else {
                        captured.insert(name.to_owned(), Local::Own(self.variable(name)));
                    }
                }
                self.closures.push(Closure {
                    body: ClosureBody::Full(closure),
                    captured,
                    here: self.here.clone(),
                });
                Value::new(Data::Closure(self.closures.len() - 1))
            }
            ExprKind::ArrowFunction(function) => {
                let captured = match self.state.locals.last() {
                    None => {
                        let globals = self.state.globals.iter();
                        globals.map(|(name, v)| (name.clone(), Local::Own(v.value.clone()))).collect()
                    }
                    Some(scope) => {
                        scope.keys().map(|name| (name.clone(), Local::Own(self.variable(name)))).collect()
                    }
                };
                let captured: HashMap<String, Local> = captured;
                self.step(span, captured.len())?;
                self.closures.push(Closure {
                    body: ClosureBody::Arrow(function),
                    captured,
                    here: self.here.clone(),
                });
                Value::new(Data::Closure(self.closures.len() - 1))
            }
            ExprKind::PropertyAccess(access) | ExprKind::NullsafePropertyAccess(access) => {
                let object = self.expr(access.object)?;
                let name = match access.property.name_str() {
                    Some(name) if matches!(access.property.kind, ExprKind::Identifier(_)) => {
                        Value::text(name)
                    }
                    _ => self.expr(access.property)?,
                };
                match (&object.data, name.to_bytes()) {
                    (Data::Instance(id), Some(name)) => self.property(*id, &name, span).with(&object.env),
                    (Data::Object(properties), Some(name)) => {
                        let found = properties
                            .entries
                            .iter()
                            .find(|(key, _)| *key.to_bytes() == *name)
                            .map_or_else(Value::null, |(_, value)| value.clone());
                        found.with(&object.env)
                    }
                    (Data::Null, _) => Value::null().with(&object.env),
                    (Data::Unknown(why), _) => Value::unknown(why.clone()),
                    _ => self.unknown(span, "it reads a property that is not followed"),
                }
            }
            ExprKind::ClassConstAccess(access) => {
                let Some(member) = access.member.name_str() else {
                    return Ok(self.unknown(span, "it uses the constant of a class"));
                };
                let is_own = matches!(&access.class.kind, ExprKind::Name(name)
                    if ["self", "static", "parent"].contains(&&*name.join_parts().to_ascii_lowercase()));
                if let (true, ExprKind::Name(name), false) = (member == "class", &access.class.kind, is_own) {
                    let class = self.class_name(name);
                    let is_full =
                        name.join_parts() != class || name.kind() == php_ast::NameKind::FullyQualified;
                    if self.here.uses.borrow().is_namespaced && !is_full {
                        return Ok(self.unknown(span, "it uses the name of a class in a namespace"));
                    }
                    return Ok(Value::text(class.trim_start_matches('\\')));
                }
                let class = self.class_of(access.class)?;
                match class {
                    Some(class) if member == "class" => match self.written_class(&class) {
                        Some(class) => Value::text(&class),
                        None => self.unknown(span, "it uses the name of a class"),
                    },
                    Some(class) => return self.class_constant(&class, member, span),
                    None => self.unknown(span, "it uses the constant of a class"),
                }
            }
            ExprKind::StaticPropertyAccess(access) => {
                let class = self.class_of(access.class)?;
                let key = match (class, static_name(access.member)) {
                    (Some(class), Some(name)) => self.static_property(&class, name, span)?,
                    _ => None,
                };
                match key.and_then(|key| self.state.statics.get(&key).cloned()) {
                    Some(value) => value,
                    None => self.unknown(span, "it reads a property of a class"),
                }
            }
            ExprKind::New(new) => return self.new_object(new, span),
            ExprKind::MethodCall(call) | ExprKind::NullsafeMethodCall(call) => {
                let method = call.method.name_str().unwrap_or("").to_ascii_lowercase();
                if self.input.databases.is_some() && is_wpdb(call.object) && ADDING.contains(&method.as_str())
                {
                    let arguments = self.arguments(&call.args)?;
                    return Ok(self.add_database(&method, arguments, span));
                }
                let object = self.expr(call.object)?;
                if let Data::Instance(id) = &object.data {
                    let class = self.state.objects.get(id).map(|object| object.class.clone());
                    if let (Some(class), false) = (class, method.is_empty()) {
                        let id = *id;
                        // A property that holds a closure is not called like this: PHP looks for a method.
                        return self.call_method(
                            Value::new(Data::Instance(id)),
                            &class,
                            &method,
                            &call.args,
                            span,
                        );
                    }
                }
                let arguments = self.arguments(&call.args)?;
                return self.method(object, &method, &arguments, span);
            }
            ExprKind::StaticMethodCall(call) => {
                let class = self.class_of(call.class)?.unwrap_or_default();
                let method = call.method.name_str().unwrap_or("").to_ascii_lowercase();
                if self.class(&class).is_some() {
                    // Within a method, an ancestor's method is called for the same object.
                    let this = match self.variable("this") {
                        this @ Value { data: Data::Instance(_), .. } => this,
                        _ => Value::null(),
                    };
                    return self.call_method(this, &class, &method, &call.args, span);
                }
                let arguments = self.arguments(&call.args)?;
                return self.static_method(&class.to_ascii_lowercase(), &method, &arguments, span);
            }
            ExprKind::CallableCreate(_) => self.unknown(span, "it makes a callable"),
            ExprKind::AnonymousClass(_) => {
                let why = self.why(span, "it makes an object of a class without a name");
                return Ok(self.unknown_call(why));
            }
            ExprKind::Clone(inner) => {
                let object = self.expr(inner)?;
                let Data::Instance(id) = &object.data else { return Ok(object) };
                let Some(copy) = self.state.objects.get(id).cloned() else { return Ok(object) };
                self.objects_made += 1;
                self.state.objects.insert(self.objects_made, copy);
                Value::new(Data::Instance(self.objects_made))
            }
            ExprKind::ShellExec(_) => self.unknown(span, "it runs a command"),
            ExprKind::Error => return Err(self.limit(span, "has a syntax that is not understood")),
            _ => self.unknown(span, format!("`{}` is not followed", self.here.source.code(span))),
        })
    }

    fn magic(&self, kind: MagicConstKind, span: Span) -> Value {
        use std::os::unix::ffi::OsStrExt;
        let path = &self.here.source.path;
        match kind {
            MagicConstKind::File => Value::bytes(path.as_os_str().as_bytes()),
            MagicConstKind::Dir => {
                Value::bytes(path.parent().map_or(&b"/"[..], |parent| parent.as_os_str().as_bytes()))
            }
            MagicConstKind::Line => Value::int(i64::from(self.here.source.line(span))),
            MagicConstKind::Function | MagicConstKind::Method
                if self.here.uses.borrow().is_namespaced && !self.here.function.is_empty() =>
            {
                self.unknown(span, "it uses the name of a function in a namespace")
            }
            MagicConstKind::Function => Value::text(&self.here.function),
            MagicConstKind::Method | MagicConstKind::Class => {
                let own = self.here.class.as_deref();
                let written = own.and_then(|own| self.written_class(own));
                match (kind, own, written) {
                    (_, Some(_), None) => self.unknown(span, "it uses the name of a class"),
                    (MagicConstKind::Class, _, written) => Value::text(&written.unwrap_or_default()),
                    (_, _, Some(written)) => Value::text(&format!("{written}::{}", self.here.function)),
                    _ => Value::text(&self.here.function),
                }
            }
            MagicConstKind::Trait => Value::text(""),
            _ => self.unknown(span, "it uses a magic constant that is not followed"),
        }
    }

    fn name_constant(&mut self, name: &'a Name<'a, 'a>, span: Span) -> Eval {
        let name = name.join_parts();
        match name.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::bool(true)),
            "false" => Ok(Value::bool(false)),
            "null" => Ok(Value::null()),
            _ => {
                let imported = self.here.uses.borrow().constants.get(&*name).cloned();
                match imported.as_deref().map(|full| full.trim_start_matches('\\')) {
                    Some(full) if full.contains('\\') && !self.state.constants.contains_key(full) => {
                        Ok(self.unknown(span, "it uses a constant of a namespace"))
                    }
                    Some(full) => self.constant(full, span),
                    None => self.constant(&name, span),
                }
            }
        }
    }

    /// The full name of a class, by the file's imports.
    pub fn class_name(&self, name: &Name<'a, 'a>) -> String {
        let written = name.join_parts();
        if matches!(name.kind(), php_ast::NameKind::FullyQualified) {
            return written.into_owned();
        }
        let (first, rest) = match written.split_once('\\') {
            Some((first, rest)) => (first, Some(rest)),
            None => (&*written, None),
        };
        match self.here.uses.borrow().classes.get(&first.to_ascii_lowercase()) {
            Some(full) => rest.map_or_else(|| full.clone(), |rest| format!("{full}\\{rest}")),
            None => written.clone().into_owned(),
        }
    }

    fn match_from(
        &mut self,
        matched: &'a php_ast::MatchExpr<'a, 'a>,
        from_arm: usize,
        from_condition: usize,
        subject: &Value,
        span: Span,
    ) -> Eval {
        let mut env = subject.env.clone();
        let mut skip = from_condition;
        for (index, arm) in matched.arms.iter().enumerate().skip(from_arm) {
            for (at, condition) in
                arm.conditions.iter().flat_map(|conditions| conditions.iter()).enumerate().skip(skip)
            {
                let value = self.expr(condition)?;
                let answer = value::identical(subject, &value);
                if let (Ok(answer), Some(unset)) = (&answer, self.unset(&value.env)) {
                    let how = self.assumed(&unset, span);
                    let (answer, env) = (*answer, merge(&env, &value.env));
                    let way = |takes: bool, env: Option<Rc<Variables>>| {
                        move |this: &mut Self| {
                            this.under(&env, |this| match takes {
                                true => this.expr(&arm.body),
                                false => this.match_from(matched, index, at + 1, subject, span),
                            })
                        }
                    };
                    let value = self.fork_value(how, way(answer, env.clone()), way(!answer, None))?;
                    return Ok(value.with(&env));
                }
                env = merge(&env, &value.env);
                match answer {
                    Ok(false) => {}
                    Ok(true) => return Ok(self.under(&env, |this| this.expr(&arm.body))?.with(&env)),
                    Err(why) => {
                        return self.fork_value(
                            &why,
                            |this| this.expr(&arm.body),
                            |this| this.match_from(matched, index, at + 1, subject, span),
                        );
                    }
                }
            }
            skip = 0;
        }
        match matched.arms.iter().find(|arm| arm.conditions.is_none()) {
            Some(arm) => Ok(self.under(&env, |this| this.expr(&arm.body))?.with(&env)),
            None => Err(self.throw(span, "no arm of the match applies")),
        }
    }

    fn assignment(&mut self, assign: &'a php_ast::AssignExpr<'a, 'a>, span: Span) -> Eval {
        if assign.by_ref {
            self.expr(assign.value)?;
            let is_call = matches!(
                assign.value.kind,
                ExprKind::FunctionCall(_) | ExprKind::MethodCall(_) | ExprKind::StaticMethodCall(_)
            );
            if is_call {
                // What the function keeps can be changed from here on.
                let why = self.why(span, "it keeps a reference to what a function returns");
                self.state.statics.values_mut().for_each(|value| *value = Value::unknown(why.clone()));
                self.unknown_call(why);
            }
            if !is_call {
                self.refer(assign.value)?;
            }
            self.refer(assign.target)?;
            return Ok(self.unknown(span, "it is a reference"));
        }
        let operator = match assign.op {
            AssignOp::Assign if has_moving_keys(assign.target) => {
                let is_plain = matches!(&assign.target.kind, ExprKind::ArrayAccess(access)
                    if matches!(&access.array.kind, ExprKind::Variable(name) if name.as_str() != "GLOBALS"));
                if !is_plain {
                    self.expr(assign.value)?;
                    return self.unclear_order(assign.target, span);
                }
                // PHP: such a key is evaluated before the value.
                let place = self.place(assign.target)?;
                let value = self.expr(assign.value)?;
                self.assign_place(place, value.clone(), span)?;
                return Ok(value);
            }
            AssignOp::Assign => {
                let value = self.expr(assign.value)?;
                if is_written_to(assign.value) && takes_references(assign.target) {
                    self.refer(assign.value)?;
                }
                self.assign(assign.target, value.clone())?;
                return Ok(value);
            }
            AssignOp::Coalesce if has_moving_keys(assign.target) => {
                self.expr(assign.value)?;
                return self.unclear_order(assign.target, span);
            }
            AssignOp::Coalesce => {
                let before = self.expr(assign.target)?;
                let env = before.env.clone();
                return match before.data {
                    Data::Null => {
                        let value = self.under(&env, |this| this.expr(assign.value))?.with(&env);
                        self.assign(assign.target, value.clone())?;
                        Ok(value)
                    }
                    Data::Unknown(ref why) => {
                        let why = why.clone();
                        self.fork_value(
                            &why,
                            |_| Ok(before),
                            |this| {
                                let value = this.expr(assign.value)?;
                                this.assign(assign.target, value.clone())?;
                                Ok(value)
                            },
                        )
                    }
                    _ => Ok(before),
                };
            }
            AssignOp::Concat => {
                let value = self.expr(assign.value)?;
                if has_moving_keys(assign.target) {
                    return self.unclear_order(assign.target, span);
                }
                let before = self.expr(assign.target)?;
                let joined = self.concat(&[before, value], span)?;
                self.assign(assign.target, joined.clone())?;
                return Ok(joined);
            }
            AssignOp::Plus => BinaryOp::Add,
            AssignOp::Minus => BinaryOp::Sub,
            AssignOp::Mul => BinaryOp::Mul,
            AssignOp::Div => BinaryOp::Div,
            AssignOp::Mod => BinaryOp::Mod,
            AssignOp::Pow => BinaryOp::Pow,
            AssignOp::BitwiseAnd => BinaryOp::BitwiseAnd,
            AssignOp::BitwiseOr => BinaryOp::BitwiseOr,
            AssignOp::BitwiseXor => BinaryOp::BitwiseXor,
            AssignOp::ShiftLeft => BinaryOp::ShiftLeft,
            AssignOp::ShiftRight => BinaryOp::ShiftRight,
            _ => {
                let unknown = self.unknown(span, "it uses an operator that is not followed");
                self.assign(assign.target, unknown.clone())?;
                return Ok(unknown);
            }
        };
        let value = self.expr(assign.value)?;
        if has_moving_keys(assign.target) {
            return self.unclear_order(assign.target, span);
        }
        let before = self.expr(assign.target)?;
        let result = self.arithmetic(operator, &before, &value, span)?;
        self.assign(assign.target, result.clone())?;
        Ok(result)
    }

    /// An assignment whose parts change each other.
    fn unclear_order(&mut self, target: &'a Expr<'a, 'a>, span: Span) -> Eval {
        let place = self.place(target)?;
        let unknown = self.unknown(span, "the order in which its parts are evaluated is not followed");
        self.assign_place(Place { path: Vec::new(), ..place }, unknown.clone(), span)?;
        Ok(unknown)
    }

    /// Joins values as strings.
    pub fn concat(&mut self, pieces: &[Value], span: Span) -> Eval {
        let mut bytes = Vec::new();
        let mut env = None;
        for piece in pieces {
            env = merge(&env, &piece.env);
            match piece.to_bytes() {
                Some(piece) if bytes.len() + piece.len() > MOST_STRING => {
                    return Err(self.limit(span, "builds a string longer than 1 MiB"));
                }
                Some(piece) => bytes.extend_from_slice(&piece),
                None => {
                    return Ok(match piece.why() {
                        Some(why) => Value::unknown(why),
                        None => self.unknown(span, "it uses as a string what is none"),
                    }
                    .with(&env));
                }
            }
        }
        Ok(self.string(span, bytes)?.with(&env))
    }

    /// PHP: a plain variable is read when its operator works, which is after the right operand is evaluated.
    fn read_again(&mut self, left: &'a Expr<'a, 'a>, before: &Value) -> Result<Option<Value>, Stop> {
        let is_silenced = matches!(left.kind, ExprKind::ErrorSuppress(_));
        let mut inner = left;
        while let ExprKind::Parenthesized(expr) | ExprKind::ErrorSuppress(expr) = &inner.kind {
            inner = expr;
        }
        let ExprKind::Variable(_) = &inner.kind else { return Ok(None) };
        let after = self.expr(inner)?;
        if value::same(before, &after) {
            return Ok(None);
        }
        Ok(Some(if is_silenced { self.unknown(left.span, "it is changed while it is read") } else { after }))
    }

    fn binary(&mut self, binary: &'a php_ast::BinaryExpr<'a, 'a>, span: Span) -> Eval {
        match binary.op {
            BinaryOp::BooleanAnd | BinaryOp::LogicalAnd => return self.logical(binary, false, span),
            BinaryOp::BooleanOr | BinaryOp::LogicalOr => return self.logical(binary, true, span),
            BinaryOp::Concat => {
                // A long chain leans to the left; walked in a loop it costs no stack.
                let mut operands = vec![binary.right];
                let mut left = binary.left;
                while let ExprKind::Binary(inner) = &left.kind {
                    if inner.op != BinaryOp::Concat {
                        break;
                    }
                    operands.push(inner.right);
                    left = inner.left;
                }
                operands.push(left);
                let mut pieces = Vec::with_capacity(operands.len());
                for operand in operands.into_iter().rev() {
                    pieces.push(self.expr(operand)?);
                }
                if let Some(late) = self.read_again(left, &pieces[0])? {
                    pieces[0] = late;
                }
                return self.concat(&pieces, span);
            }
            BinaryOp::Instanceof => {
                let left = self.expr(binary.left)?;
                let class = match &binary.right.kind {
                    ExprKind::Name(_) => self.class_of(binary.right)?,
                    _ => None,
                };
                let answer = match (&left.data, class) {
                    (Data::Instance(id), Some(class)) => self.is_instance(*id, &class),
                    (Data::Unknown(_) | Data::Object(_) | Data::Closure(_) | Data::Dotenv(_), _) => None,
                    (_, Some(_)) => Some(false),
                    _ => None,
                };
                return Ok(match answer {
                    Some(answer) => Value::bool(answer).with(&left.env),
                    None => self.unknown(span, "it asks for the class of an object"),
                });
            }
            _ => {}
        }
        let mut left = self.expr(binary.left)?;
        let right = self.expr(binary.right)?;
        if let Some(late) = self.read_again(binary.left, &left)? {
            left = late;
        }
        let env = merge(&left.variables_inside(), &right.variables_inside());
        let is_plain = |value: &Value| matches!(value.data, Data::Null | Data::Bool(_));
        let is_identity = matches!(binary.op, BinaryOp::Identical | BinaryOp::NotIdentical);
        if !is_identity
            && (holds_object(&left) && !is_plain(&right) || holds_object(&right) && !is_plain(&left))
        {
            return Ok(self.unknown(span, "it compares objects or calculates with them"));
        }
        let truth = |answer: Result<bool, Rc<Why>>| match answer {
            Ok(answer) => Value::bool(answer),
            Err(why) => Value::unknown(why),
        };
        let ordered = |left: &Value, right: &Value, test: fn(Ordering) -> bool| {
            truth(value::compare(left, right).map(|order| order.is_some_and(test)))
        };
        let result = match binary.op {
            BinaryOp::Equal => truth(value::equal(&left, &right)),
            BinaryOp::NotEqual => truth(value::equal(&left, &right).map(|answer| !answer)),
            BinaryOp::Identical => truth(value::identical(&left, &right)),
            BinaryOp::NotIdentical => truth(value::identical(&left, &right).map(|answer| !answer)),
            BinaryOp::Less => ordered(&left, &right, Ordering::is_lt),
            BinaryOp::LessOrEqual => ordered(&left, &right, Ordering::is_le),
            // PHP: turned round, which arrays with other keys show.
            BinaryOp::Greater => ordered(&right, &left, Ordering::is_lt),
            BinaryOp::GreaterOrEqual => ordered(&right, &left, Ordering::is_le),
            BinaryOp::Spaceship => match value::compare(&left, &right) {
                Ok(order) => Value::int(order.map_or(1, |order| order as i64)),
                Err(why) => Value::unknown(why),
            },
            BinaryOp::LogicalXor => match (left.to_bool(), right.to_bool()) {
                (Ok(left), Ok(right)) => Value::bool(left != right),
                (Err(why), _) | (_, Err(why)) => Value::unknown(why),
            },
            operator => self.arithmetic(operator, &left, &right, span)?,
        };
        Ok(result.with(&env))
    }

    /// `&&` and `||`; `decides` is the left value that makes the right one unnecessary.
    fn logical(&mut self, binary: &'a php_ast::BinaryExpr<'a, 'a>, decides: bool, span: Span) -> Eval {
        let left = self.expr(binary.left)?;
        let env = left.env.clone();
        let right_truth = |this: &mut Self| -> Eval {
            let right = this.expr(binary.right)?;
            Ok(match right.to_bool() {
                Ok(truth) => Value::bool(truth).with(&right.env),
                Err(why) => Value::unknown(why).with(&right.env),
            })
        };
        let unset = self.unset(&env).filter(|_| !is_harmless(binary.right));
        match left.to_bool() {
            Ok(truth) if truth == decides => match unset {
                None => Ok(Value::bool(decides).with(&env)),
                Some(unset) => {
                    let how = self.assumed(&unset, span);
                    Ok(self.fork_value(how, |_| Ok(Value::bool(decides)), right_truth)?.with(&env))
                }
            },
            Ok(_) => match unset {
                None => Ok(self.under(&env, right_truth)?.with(&env)),
                Some(unset) => {
                    let how = self.assumed(&unset, span);
                    let taken = |this: &mut Self| this.under(&env, right_truth);
                    Ok(self.fork_value(how, taken, |_| Ok(Value::bool(decides)))?.with(&env))
                }
            },
            Err(why) => self.fork_value(&why, |_| Ok(Value::bool(decides)), right_truth),
        }
    }

    fn increment(&mut self, value: &Value, up: bool, span: Span) -> Value {
        let result = match &value.data {
            Data::Int(number) => match if up { number.checked_add(1) } else { number.checked_sub(1) } {
                Some(number) => Value::int(number),
                None => self.unknown(span, "it counts beyond the largest integer"),
            },
            Data::Float(number) => Value::new(Data::Float(if up { number + 1.0 } else { number - 1.0 })),
            Data::Null => {
                if up {
                    Value::int(1)
                } else {
                    Value::null()
                }
            }
            Data::Unknown(why) => Value::unknown(why.clone()),
            _ => self.unknown(span, "it counts what is no number"),
        };
        result.with(&value.env)
    }

    pub fn arithmetic(&mut self, operator: BinaryOp, left: &Value, right: &Value, span: Span) -> Eval {
        let env = merge(&left.env, &right.env);
        if let Some(why) = left.why().or_else(|| right.why()) {
            return Ok(Value::unknown(why));
        }
        if let (BinaryOp::Add, Data::Array(first), Data::Array(second)) = (operator, &left.data, &right.data)
        {
            let mut sum = (**first).clone();
            for (key, value) in &second.entries {
                if sum.get(key).is_none() {
                    sum.set(key.clone(), value.clone());
                }
            }
            sum.open = sum.open.or_else(|| second.open.clone());
            return Ok(Value::array(sum).with(&env));
        }
        if let (
            Data::Str(_),
            Data::Str(_),
            BinaryOp::BitwiseAnd | BinaryOp::BitwiseOr | BinaryOp::BitwiseXor,
        ) = (&left.data, &right.data, operator)
        {
            return Ok(self.unknown(span, "it combines the bits of strings"));
        }
        let (Some(first), Some(second)) = (left.to_number(), right.to_number()) else {
            return Err(self.throw(span, "it calculates with what is no number"));
        };
        let integers = match (first.to_int(), second.to_int()) {
            (Some(first), Some(second)) => Some((first, second)),
            _ => None,
        };
        let exact = |checked: fn(i64, i64) -> Option<i64>, float: fn(f64, f64) -> f64| match (first, second) {
            (Number::Int(a), Number::Int(b)) if checked(a, b).is_some() => {
                Value::int(checked(a, b).unwrap_or(0))
            }
            _ => Value::new(Data::Float(float(first.as_f64(), second.as_f64()))),
        };
        let result = match (operator, integers) {
            (BinaryOp::Add, _) => exact(i64::checked_add, |a, b| a + b),
            (BinaryOp::Sub, _) => exact(i64::checked_sub, |a, b| a - b),
            (BinaryOp::Mul, _) => exact(i64::checked_mul, |a, b| a * b),
            (BinaryOp::Div, _) => {
                if second.as_f64() == 0.0 {
                    return Err(self.throw(span, "it divides by zero"));
                }
                match (first, second) {
                    (Number::Int(a), Number::Int(b)) if a.checked_rem(b) == Some(0) => {
                        Value::int(a.checked_div(b).unwrap_or(0))
                    }
                    _ => Value::new(Data::Float(first.as_f64() / second.as_f64())),
                }
            }
            (BinaryOp::Mod, Some((_, 0))) => return Err(self.throw(span, "it divides by zero")),
            (BinaryOp::Mod, Some((a, b))) => Value::int(a.checked_rem(b).unwrap_or(0)),
            (BinaryOp::Pow, _) => match (first, second) {
                (Number::Int(base), Number::Int(power)) => {
                    match u32::try_from(power).ok().and_then(|power| base.checked_pow(power)) {
                        Some(result) => Value::int(result),
                        None => Value::new(Data::Float((base as f64).powf(power as f64))),
                    }
                }
                _ => Value::new(Data::Float(first.as_f64().powf(second.as_f64()))),
            },
            (BinaryOp::BitwiseAnd, Some((a, b))) => Value::int(a & b),
            (BinaryOp::BitwiseOr, Some((a, b))) => Value::int(a | b),
            (BinaryOp::BitwiseXor, Some((a, b))) => Value::int(a ^ b),
            (BinaryOp::ShiftLeft, Some((a, b))) if (0..64).contains(&b) => {
                Value::int(a.wrapping_shl(b as u32))
            }
            (BinaryOp::ShiftRight, Some((a, b))) if (0..64).contains(&b) => {
                Value::int(a.wrapping_shr(b as u32))
            }
            _ => self.unknown(span, "it uses an operator that is not followed"),
        };
        Ok(result.with(&env))
    }

    fn cast(&mut self, kind: CastKind, value: Value, span: Span) -> Value {
        if let Some(why) = value.why() {
            return Value::unknown(why);
        }
        match kind {
            CastKind::Bool => match value.to_bool() {
                Ok(truth) => Value::bool(truth),
                Err(why) => Value::unknown(why),
            },
            CastKind::String => match value.to_bytes() {
                Some(bytes) => Value::bytes(bytes),
                None => self.unknown(span, "it makes a string of what is none"),
            },
            CastKind::Int => match value.to_int() {
                Some(number) => Value::int(number),
                None => self.unknown(span, "it makes an integer of what is none"),
            },
            CastKind::Float => match value.to_number() {
                Some(number) => Value::new(Data::Float(number.as_f64())),
                None if matches!(value.data, Data::Str(_)) => Value::new(Data::Float(0.0)),
                None => self.unknown(span, "it makes a number of what is none"),
            },
            CastKind::Array => match value.data {
                Data::Array(_) => value,
                Data::Object(properties) => Value::new(Data::Array(properties)),
                Data::Null => Value::array(Array::default()),
                Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {
                    Value::array(Array::from_list([value]))
                }
                _ => self.unknown(span, "it makes an array of an object"),
            },
            CastKind::Object => match value.data {
                Data::Array(array) => Value::new(Data::Object(array)),
                Data::Object(_) => value,
                _ => self.unknown(span, "it makes an object"),
            },
            CastKind::Unset | CastKind::Void => Value::null(),
            _ => self.unknown(span, "it uses a cast that is not followed"),
        }
    }

    /// `$container[$key]`.
    pub fn index(&mut self, container: &Value, key: &Value, span: Span) -> Value {
        let env = merge(&container.env, &key.env);
        let result = match &container.data {
            Data::Unknown(why) => Value::unknown(why.clone()),
            Data::Array(array) => {
                let _ = self.step(span, array.entries.len() / 64);
                match (key.to_key(), key.why()) {
                    (Some(key), _) => match array.get(&key) {
                        Some(value) => value.clone(),
                        None => array.open.clone().map_or_else(Value::null, Value::unknown),
                    },
                    (None, Some(why)) => Value::unknown(why),
                    (None, None) => self.unknown(span, "the key is not one that an array can have"),
                }
            }
            Data::Str(bytes) => match (&key.data, key.why()) {
                (Data::Int(at), _) => {
                    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                    let at = if *at < 0 { at.saturating_add(length) } else { *at };
                    match usize::try_from(at).ok().and_then(|at| bytes.get(at)) {
                        Some(byte) => Value::bytes(&[*byte][..]),
                        None => self.unknown(span, "it reads a string beyond its end"),
                    }
                }
                (_, Some(why)) => Value::unknown(why),
                _ => self.unknown(span, "it reads a string at what is no position"),
            },
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => Value::null(),
            _ => self.unknown(span, "it reads an element of an object"),
        };
        result.with(&env)
    }

    // Calls

    pub fn arguments(&mut self, arguments: &'a [Arg<'a, 'a>]) -> Result<Vec<Value>, Stop> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let Some(expr) = argument.value() else {
                values.push(self.unknown(argument.span, "it leaves arguments open"));
                continue;
            };
            let value = self.expr(expr)?;
            match &argument.kind {
                ArgKind::Spread(_) => match &value.data {
                    Data::Array(array) if array.open.is_none() => {
                        values.extend(array.entries.iter().map(|(_, value)| value.clone()));
                    }
                    _ => values.push(self.unknown(argument.span, "it spreads what is not known")),
                },
                _ => values.push(value),
            }
        }
        Ok(values)
    }

    /// The arguments of a call in the order of the parameters; `None` for one that is left to its default.
    /// As a whole `None`: they do not fit, or name what is not followed.
    pub fn arranged(
        &mut self,
        parameters: &'a [Param<'a, 'a>],
        arguments: &'a [Arg<'a, 'a>],
    ) -> Result<Option<Vec<Option<Value>>>, Stop> {
        let first_name = arguments.iter().position(|argument| argument.name.is_some());
        let (plain, named) = arguments.split_at(first_name.unwrap_or(arguments.len()));
        let mut values: Vec<Option<Value>> = self.arguments(plain)?.into_iter().map(Some).collect();
        for argument in named {
            let (Some(name), Some(expr)) = (&argument.name, argument.value()) else { return Ok(None) };
            let name = name.join_parts();
            let value = self.expr(expr)?;
            let position = parameters
                .iter()
                .position(|parameter| parameter.name.as_str() == Some(&*name) && !parameter.variadic);
            let Some(position) = position else { return Ok(None) };
            if values.len() <= position {
                values.resize(position + 1, None);
            }
            match values.get_mut(position) {
                Some(slot @ None) => *slot = Some(value),
                _ => return Ok(None),
            }
        }
        if !named.is_empty() && arguments.iter().any(|argument| matches!(argument.kind, ArgKind::Spread(_))) {
            return Ok(None);
        }
        Ok(Some(values))
    }

    fn call_expr(&mut self, call: &'a FunctionCallExpr<'a, 'a>, span: Span) -> Eval {
        let name = match &call.name.kind {
            ExprKind::Name(name) => {
                let written = name.join_parts().to_ascii_lowercase();
                let imported = self.here.uses.borrow().functions.get(&written).cloned();
                imported.unwrap_or_else(|| written.trim_start_matches('\\').to_owned())
            }
            _ => {
                let callee = self.expr(call.name)?;
                return self.call_with(&callee, &call.args, span);
            }
        };
        if self.is_mixed(&name) {
            self.arguments(&call.args)?;
            let why = self.why(span, format!("which {name}() is called cannot be known"));
            return Ok(self.unknown_call(why));
        }
        let has_names = call.args.iter().any(|argument| argument.name.is_some());
        if call.args.iter().any(Arg::is_placeholder) || (has_names && self.user_function(&name).is_none()) {
            // Named arguments need the parameter names of every function.
            self.arguments(&call.args)?;
            let short = name.rsplit('\\').next().unwrap_or(&name).to_owned();
            let why = self.why(span, format!("{short}() is called with named arguments"));
            if builtins::is_pure(&short) {
                return Ok(Value::unknown(why));
            }
            return Ok(self.unknown_call(why));
        }
        if let Some(function) = self.user_function(&name) {
            return self.call_function(&name, &function, &call.args, span);
        }
        self.builtin(&name, call, span)
    }

    /// Calls a function that the program declared, and passes on what it does to its arguments.
    fn call_function(
        &mut self,
        name: &str,
        function: &Function<'a>,
        arguments: &'a [Arg<'a, 'a>],
        span: Span,
    ) -> Eval {
        let parameters = &function.declaration.params;
        let passed_over = self.state.passed_over.get(&format!("f:{name}")).cloned();
        let Some(values) = self.arranged(parameters, arguments)? else {
            let why = self.why(span, format!("the arguments of {name}() are not followed"));
            return Ok(self.unknown_call(why));
        };
        let lent = self.lend(parameters, arguments, span)?;
        let function = function.clone();
        let (value, last) = self.under(&passed_over, |this| this.call_user(&function, values, span))?;
        self.take_back(lent, parameters, &last, arguments, span)?;
        Ok(value.with(&passed_over))
    }

    /// Hides the variables that are passed by reference while a function may change them in two ways.
    pub fn lend(
        &mut self,
        parameters: &'a [Param<'a, 'a>],
        arguments: &'a [Arg<'a, 'a>],
        span: Span,
    ) -> Result<Vec<(String, Value, Rc<Why>)>, Stop> {
        let mut lent: Vec<(String, Value, Rc<Why>)> = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let Some(expr) = argument.value().filter(|expr| is_written_to(expr)) else { continue };
            if !by_reference(parameters, arguments, index) {
                continue;
            }
            let Some(name) = root_variable(expr).filter(|name| superglobal(name).is_none()) else { continue };
            let global = match self.state.locals.last() {
                None => Some(name.to_owned()),
                Some(scope) => match scope.get(name) {
                    Some(Local::Global(global)) => Some(global.clone()),
                    _ => None,
                },
            };
            if let Some(global) = global.filter(|global| lent.iter().all(|(name, ..)| name != global)) {
                let before = self.global(&global);
                let why = self.why(span, format!("${global} is passed by reference"));
                self.set_global(&global, Value::unknown(why.clone()), span);
                lent.push((global, before, why));
            }
        }
        Ok(lent)
    }

    /// Gives back what [`Evaluator::lend`] took, with what the function made of it.
    pub fn take_back(
        &mut self,
        lent: Vec<(String, Value, Rc<Why>)>,
        parameters: &'a [Param<'a, 'a>],
        last: &[(Value, bool)],
        arguments: &'a [Arg<'a, 'a>],
        span: Span,
    ) -> Result<(), Stop> {
        let mut changed = Vec::new();
        for (name, before, why) in lent {
            let is_untouched =
                matches!(&self.global(&name).data, Data::Unknown(now) if Rc::ptr_eq(now, &why));
            if is_untouched {
                self.set_global(&name, before, span);
            } else {
                changed.push((name, why));
            }
        }
        let is_plain = arguments
            .iter()
            .all(|argument| argument.name.is_none() && !matches!(argument.kind, ArgKind::Spread(_)));
        for (index, argument) in arguments.iter().enumerate() {
            let Some(expr) = argument.value().filter(|expr| is_written_to(expr)) else { continue };
            if !by_reference(parameters, arguments, index) {
                continue;
            }
            let found = parameters.get(index).filter(|parameter| is_plain && !parameter.variadic);
            match (found, last.get(index)) {
                (Some(_), Some((value, false))) => self.assign(expr, value.clone())?,
                // It kept the reference, or which value it is cannot be told.
                _ => self.refer(expr)?,
            }
        }
        for (name, why) in changed {
            self.set_global(&name, Value::unknown(why), span);
        }
        Ok(())
    }

    /// Calls a value with written arguments.
    fn call_with(&mut self, callee: &Value, arguments: &'a [Arg<'a, 'a>], span: Span) -> Eval {
        if let Data::Str(name) = &callee.data
            && self.unset(&callee.env).is_none()
        {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let name = name.trim_start_matches('\\').to_owned();
            if let Some(function) = self.user_function(&name) {
                return self.call_function(&name, &function, arguments, span);
            }
        }
        let parameters: Option<&'a [Param<'a, 'a>]> = match &callee.data {
            Data::Closure(number) => self.closures.get(*number).map(|closure| match &closure.body {
                ClosureBody::Full(full) => &*full.params,
                ClosureBody::Arrow(arrow) => &*arrow.params,
            }),
            _ => None,
        };
        if arguments.iter().any(|argument| argument.name.is_some()) {
            let values = match parameters {
                Some(parameters) => self.arranged(parameters, arguments)?,
                None => None,
            };
            let Some(values) = values.filter(|values| values.iter().all(Option::is_some)) else {
                self.arguments(arguments)?;
                let why = self.why(span, "the names of its arguments are not followed");
                return Ok(self.unknown_call(why));
            };
            return self.call_value(callee, values.into_iter().flatten().collect(), span);
        }
        let values = self.arguments(arguments)?;
        let value = self.call_value(callee, values, span)?;
        for (index, argument) in arguments.iter().enumerate() {
            let may_change = match parameters {
                Some(parameters) => by_reference(parameters, arguments, index),
                None => !matches!(&callee.data, Data::Str(name)
                    if builtins::is_pure(&String::from_utf8_lossy(name).to_ascii_lowercase())),
            };
            if let (true, Some(expr)) = (may_change, argument.value().filter(|expr| is_written_to(expr))) {
                self.refer(expr)?;
            }
        }
        Ok(value)
    }

    /// Whether a name may mean another function than the one that is found by it.
    fn is_mixed(&self, name: &str) -> bool {
        let short = name.rsplit('\\').next().unwrap_or(name);
        let is_elsewhere = |function: &Function<'a>| function.here.uses.borrow().is_namespaced;
        self.mixed.contains(short)
            || (short == name
                && !self.here.uses.borrow().is_namespaced
                && self.state.functions.get(name).is_some_and(is_elsewhere))
    }

    pub fn user_function(&self, name: &str) -> Option<Function<'a>> {
        let short = name.rsplit('\\').next().unwrap_or(name);
        self.state.functions.get(name).or_else(|| self.state.functions.get(short)).cloned()
    }

    /// Calls what a value stands for: a closure or the name of a function.
    pub fn call_value(&mut self, callee: &Value, arguments: Vec<Value>, span: Span) -> Eval {
        let Some(_) = self.unset(&callee.env) else { return self.call_known(callee, arguments, span) };
        // With another value there, another function would run.
        self.doubt_with(&callee.env);
        let value = self.under(&callee.env, |this| this.call_known(callee, arguments, span))?;
        self.doubt_with(&callee.env);
        Ok(value.with(&callee.env))
    }

    fn call_known(&mut self, callee: &Value, arguments: Vec<Value>, span: Span) -> Eval {
        match &callee.data {
            Data::Closure(number) => match self.closures.get(*number).cloned() {
                Some(closure) => self.call_closure(&closure, arguments, span),
                None => Ok(self.unknown(span, "it calls a closure that is not known")),
            },
            Data::Str(name) => {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                let name = name.trim_start_matches('\\').to_owned();
                if self.is_mixed(&name) {
                    let why = self.why(span, format!("which {name}() is called cannot be known"));
                    return Ok(self.unknown_call(why));
                }
                if let Some(function) = self.user_function(&name) {
                    let arguments = arguments.into_iter().map(Some).collect();
                    let passed_over = self.state.passed_over.get(&format!("f:{name}")).cloned();
                    let call = |this: &mut Self| this.call_user(&function, arguments, span);
                    return Ok(self.under(&passed_over, call)?.0.with(&passed_over));
                }
                if name.contains("::") || !self.is_called_by_value(&name) {
                    let why = self.why(span, format!("{name}() is called by its name"));
                    return Ok(self.unknown_call(why));
                }
                self.pure(&name, &arguments, span)
            }
            _ => {
                let why = callee
                    .why()
                    .unwrap_or_else(|| self.why(span, "which function is called cannot be known"));
                Ok(self.unknown_call(why))
            }
        }
    }

    /// What a generator does, it does when something goes through it.
    pub fn generator(&mut self, span: Span) -> Value {
        let why = self.why(span, "generators are not followed");
        self.unknown_call(why)
    }

    /// Whether a callback takes its arguments by value, and is followed.
    pub fn takes_values(&self, callback: &Value) -> bool {
        let parameters: &[Param<'_, '_>] = match &callback.data {
            Data::Closure(number) => match self.closures.get(*number).map(|closure| &closure.body) {
                Some(ClosureBody::Full(full)) => &full.params,
                Some(ClosureBody::Arrow(arrow)) => &arrow.params,
                None => return false,
            },
            Data::Str(name) => {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                match self.user_function(&name) {
                    Some(function) => &function.declaration.params,
                    None => return false,
                }
            }
            _ => return false,
        };
        !parameters.iter().any(|parameter| parameter.by_ref)
    }

    fn call_closure(&mut self, closure: &Closure<'a>, arguments: Vec<Value>, span: Span) -> Eval {
        match &closure.body {
            ClosureBody::Full(full) if is_generator(&full.body.stmts) => return Ok(self.generator(span)),
            ClosureBody::Arrow(arrow) if matches!(arrow.body.kind, ExprKind::Yield(_)) => {
                return Ok(self.generator(span));
            }
            _ => {}
        }
        let arguments: Vec<Option<Value>> = arguments.into_iter().map(Some).collect();
        let mut scope = closure.captured.clone();
        match &closure.body {
            ClosureBody::Full(full) => self
                .call_body(&closure.here, "{closure}", &full.params, &mut scope, arguments, span, |this| {
                    this.block(full.body)
                })
                .map(|(value, _)| value),
            ClosureBody::Arrow(arrow) => self
                .call_body(&closure.here, "{closure}", &arrow.params, &mut scope, arguments, span, |this| {
                    Ok(Flow::Return(this.expr(arrow.body)?))
                })
                .map(|(value, _)| value),
        }
    }

    /// Calls a function that the program declared. Gives the result, and the parameters' last values.
    fn call_user(
        &mut self,
        function: &Function<'a>,
        arguments: Vec<Option<Value>>,
        span: Span,
    ) -> Result<(Value, Vec<(Value, bool)>), Stop> {
        let declaration = function.declaration;
        if is_generator(&declaration.body.stmts) {
            return Ok((self.generator(span), Vec::new()));
        }
        let name = declaration.name.as_str().unwrap_or("");
        let (value, last) = self.call_body(
            &function.here,
            name,
            &declaration.params,
            &mut HashMap::new(),
            arguments,
            span,
            |this| this.block(declaration.body),
        )?;
        Ok((self.coerce(value, declaration.return_type.as_ref(), span)?, last))
    }

    #[allow(clippy::too_many_arguments, reason = "functions and closures differ in exactly these")]
    pub fn call_body(
        &mut self,
        here: &Here<'a>,
        name: &str,
        parameters: &'a [Param<'a, 'a>],
        scope: &mut HashMap<String, Local>,
        arguments: Vec<Option<Value>>,
        span: Span,
        body: impl FnOnce(&mut Self) -> Exec,
    ) -> Result<(Value, Vec<(Value, bool)>), Stop> {
        if self.calls >= MOST_CALLS {
            return Err(self.limit(span, "calls functions too deeply"));
        }
        let is_strict = self.here.uses.borrow().is_strict;
        let outer = std::mem::replace(&mut self.here, Here { function: name.into(), ..here.clone() });
        let mut given = arguments.into_iter();
        for parameter in parameters {
            let Some(parameter_name) = parameter.name.as_str() else { continue };
            let value = if parameter.variadic {
                Value::array(Array::from_list(given.by_ref().flatten()))
            } else if let Some(value) = given.next().flatten() {
                match self.accept(value, parameter.type_hint.as_ref(), is_strict, span) {
                    Ok(value) => value,
                    Err(stop) => {
                        self.here = outer;
                        return Err(stop);
                    }
                }
            } else if let Some(default) = &parameter.default {
                self.expr(default)?
            } else {
                self.here = outer;
                return Err(self.throw(span, format!("{name}() gets too few arguments")));
            };
            scope.insert(parameter_name.to_owned(), Local::Own(value));
        }
        self.state.locals.push(std::mem::take(scope));
        self.calls += 1;
        let since = self.pending.len();
        let flow = body(self);
        let flow = self.arrive(since, flow, |flow| matches!(flow, Flow::Return(_)));
        self.calls -= 1;
        let last = parameters
            .iter()
            .map(|parameter| {
                let name = parameter.name.as_str().unwrap_or("");
                let scope = self.state.locals.last();
                let is_kept = scope.is_some_and(|scope| !matches!(scope.get(name), Some(Local::Own(_))));
                (self.variable(name), is_kept)
            })
            .collect();
        self.state.locals.pop();
        self.here = outer;
        match flow? {
            Flow::Return(value) => Ok((value, last)),
            _ => Ok((Value::null(), last)),
        }
    }

    /// What a declared type makes of a value, by the file that is evaluated.
    pub fn coerce(&mut self, value: Value, hint: Option<&'a TypeHint<'a, 'a>>, span: Span) -> Eval {
        let is_strict = self.here.uses.borrow().is_strict;
        self.accept(value, hint, is_strict, span)
    }

    fn accept(
        &mut self,
        value: Value,
        hint: Option<&'a TypeHint<'a, 'a>>,
        is_strict: bool,
        span: Span,
    ) -> Eval {
        let Some(hint) = hint else { return Ok(value) };
        let (builtin, nullable) = match &hint.kind {
            TypeHintKind::Keyword(builtin, _) => (*builtin, false),
            TypeHintKind::Nullable(inner) => match &inner.kind {
                TypeHintKind::Keyword(builtin, _) => (*builtin, true),
                _ => return Ok(value),
            },
            TypeHintKind::Union(members) => {
                // Accepted as it is when its own type is a member; conversions among members are not followed.
                let fits = members.iter().any(|member| match &member.kind {
                    TypeHintKind::Keyword(builtin, _) => fits(&value, *builtin),
                    _ => false,
                });
                if fits || value.why().is_some() {
                    return Ok(value);
                }
                return Ok(self.unknown(span, "it relies on the conversion to a union of types"));
            }
            _ => return Ok(value),
        };
        if value.why().is_some() || fits(&value, builtin) || (nullable && value.is_null()) {
            return Ok(value);
        }
        let env = value.env.clone();
        let widens = matches!((builtin, &value.data), (BuiltinType::Float, Data::Int(_)));
        if is_strict && !widens && !matches!(builtin, BuiltinType::Void | BuiltinType::Never) {
            let is_scalar = matches!(
                value.data,
                Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_)
            );
            let wants_scalar = matches!(
                builtin,
                BuiltinType::String | BuiltinType::Int | BuiltinType::Float | BuiltinType::Bool
            );
            if is_scalar && wants_scalar {
                return Err(self.throw(span, "a value has the wrong type"));
            }
        }
        let converted = match (builtin, &value.data) {
            (BuiltinType::Void | BuiltinType::Never, _) => Some(Value::null()),
            (_, Data::Null) => None,
            (BuiltinType::String, Data::Bool(_) | Data::Int(_) | Data::Float(_)) => {
                value.to_bytes().map(Value::bytes)
            }
            (BuiltinType::Bool, Data::Int(_) | Data::Float(_) | Data::Str(_)) => {
                value.to_bool().ok().map(Value::bool)
            }
            (BuiltinType::Float, Data::Int(number)) => Some(Value::new(Data::Float(*number as f64))),
            (BuiltinType::Int, Data::Bool(truth)) => Some(Value::int(i64::from(*truth))),
            (BuiltinType::Int, Data::Str(bytes)) => match value::numeric(bytes) {
                Some(Number::Int(number)) => Some(Value::int(number)),
                Some(Number::Float(_)) => {
                    return Ok(self.unknown(span, "it relies on the conversion of a float"));
                }
                None => None,
            },
            (
                BuiltinType::Int | BuiltinType::Float | BuiltinType::Bool | BuiltinType::String,
                Data::Array(_),
            ) => None,
            _ => return Ok(self.unknown(span, "it relies on a conversion that is not followed")),
        };
        match converted {
            Some(value) => Ok(value.with(&env)),
            None => Err(self.throw(span, "a value has the wrong type")),
        }
    }

    /// A function or method ran that is not known here.
    pub fn unknown_call(&mut self, why: Rc<Why>) -> Value {
        self.unknown_include(why)
    }
}

/// Whether the argument at `index` is taken by reference; where its parameter cannot be told, if any is.
fn by_reference(parameters: &[Param<'_, '_>], arguments: &[Arg<'_, '_>], index: usize) -> bool {
    let is_plain = arguments
        .iter()
        .all(|argument| argument.name.is_none() && !matches!(argument.kind, ArgKind::Spread(_)));
    if !is_plain {
        return parameters.iter().any(|parameter| parameter.by_ref);
    }
    let last = parameters.last().filter(|parameter| parameter.variadic);
    parameters.get(index).or(last).is_some_and(|parameter| parameter.by_ref)
}

/// Whether an expression names something that can be assigned to.
pub fn is_written_to(expr: &Expr<'_, '_>) -> bool {
    matches!(
        expr.kind,
        ExprKind::Variable(_)
            | ExprKind::VariableVariable(_)
            | ExprKind::ArrayAccess(_)
            | ExprKind::PropertyAccess(_)
            | ExprKind::StaticPropertyAccess(_)
    )
}

/// Whether a list of targets takes references to what is assigned to it.
fn takes_references(target: &Expr<'_, '_>) -> bool {
    let ExprKind::Array(elements) = &target.kind else { return false };
    elements.iter().any(|element| {
        matches!(element.kind, ArrayElementKind::ByRef(_)) || takes_references(element.value())
    })
}

fn root_variable<'a>(expr: &'a Expr<'a, 'a>) -> Option<&'a str> {
    match &expr.kind {
        ExprKind::Variable(name) => Some(name.as_str()),
        ExprKind::ArrayAccess(access) => root_variable(access.array),
        _ => None,
    }
}

fn fits(value: &Value, builtin: BuiltinType) -> bool {
    matches!(
        (builtin, &value.data),
        (BuiltinType::Mixed, _)
            | (BuiltinType::String, Data::Str(_))
            | (BuiltinType::Int, Data::Int(_))
            | (BuiltinType::Float, Data::Float(_))
            | (BuiltinType::Bool, Data::Bool(_))
            | (BuiltinType::True, Data::Bool(true))
            | (BuiltinType::False, Data::Bool(false))
            | (BuiltinType::Null | BuiltinType::Void, Data::Null)
            | (BuiltinType::Array | BuiltinType::Iterable, Data::Array(_))
            | (BuiltinType::Object, Data::Object(_) | Data::Closure(_) | Data::Dotenv(_) | Data::Instance(_))
            | (BuiltinType::Callable, Data::Closure(_))
    )
}

fn leave_loop(flow: Exec) -> Exec {
    Ok(match flow? {
        Flow::Break(levels) if levels > 1 => Flow::Break(levels - 1),
        Flow::Continue(levels) if levels > 1 => Flow::Continue(levels - 1),
        other => other,
    })
}

fn holds_object(value: &Value) -> bool {
    match &value.data {
        Data::Object(_) | Data::Instance(_) => true,
        Data::Array(array) => array.entries.iter().any(|(_, value)| holds_object(value)),
        _ => false,
    }
}

/// The name of a superglobal other than `$GLOBALS`.
fn superglobal(name: &str) -> Option<&'static str> {
    ["_SERVER", "_ENV", "_GET", "_POST", "_COOKIE", "_REQUEST", "_SESSION", "_FILES"]
        .into_iter()
        .find(|candidate| *candidate == name)
}

/// The name of a static property that is written out.
fn static_name<'a>(member: &'a Expr<'a, 'a>) -> Option<&'a str> {
    match &member.kind {
        ExprKind::Variable(name) => Some(name.as_str()),
        ExprKind::Identifier(_) => member.name_str(),
        _ => None,
    }
}

/// Whether a condition asks just whether a proxy says which host was asked for. It is the host of the request then, as
/// `HTTP_HOST` is without the proxy: both ways may end with the same value.
fn asks_for_forwarded_host(condition: &Expr<'_, '_>) -> bool {
    let is_it = |expr: &Expr<'_, '_>| match &expr.kind {
        ExprKind::ArrayAccess(access) => {
            let is_key = |index: &&Expr<'_, '_>| matches!(&index.kind, ExprKind::String(key) if **key == *b"HTTP_X_FORWARDED_HOST");
            matches!(&access.array.kind, ExprKind::Variable(name) if name.as_str() == "_SERVER")
                && access.index.as_ref().is_some_and(is_key)
        }
        _ => false,
    };
    let is_empty = |expr: &Expr<'_, '_>| matches!(&expr.kind, ExprKind::String(text) if text.is_empty());
    match &condition.kind {
        ExprKind::Parenthesized(inner) => asks_for_forwarded_host(inner),
        ExprKind::Isset(all) => all.iter().all(is_it),
        ExprKind::UnaryPrefix(unary) if unary.op == UnaryPrefixOp::BooleanNot => {
            matches!(&unary.operand.kind, ExprKind::Empty(inner) if is_it(inner))
        }
        ExprKind::Binary(both) => match both.op {
            BinaryOp::BooleanAnd | BinaryOp::LogicalAnd => {
                asks_for_forwarded_host(both.left) && asks_for_forwarded_host(both.right)
            }
            // What is not there equals the empty string too.
            BinaryOp::NotEqual => {
                is_it(both.left) && is_empty(both.right) || is_empty(both.left) && is_it(both.right)
            }
            _ => false,
        },
        _ => is_it(condition),
    }
}

fn ends_with_settings(expr: &Expr<'_, '_>) -> bool {
    match &expr.kind {
        ExprKind::String(bytes) => bytes.ends_with(b"wp-settings.php"),
        ExprKind::Binary(binary) => binary.op == BinaryOp::Concat && ends_with_settings(binary.right),
        ExprKind::Parenthesized(inner) => ends_with_settings(inner),
        ExprKind::InterpolatedString(parts) => {
            matches!(parts.last(), Some(StringPart::Literal(bytes)) if bytes.ends_with(b"wp-settings.php"))
        }
        _ => false,
    }
}

/// Files that an autoloader loads at once: more are not looked at.
const MOST_LOADED: usize = 500;

/// The names of constants that a text defines, as they are written.
fn defined_names(code: &str) -> impl Iterator<Item = &str> {
    let calls = code.split("define(").skip(1).chain(code.split("define (").skip(1));
    let calls = calls.filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        rest.get(1..)?.split(quote).next()
    });
    let constants = code.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix("const ")?.split(['=', ' ']).next()?;
        // One of a class is indented.
        line.starts_with("const ").then_some(name)
    });
    calls.chain(constants).filter(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Whether a text declares a function `env()` outside a namespace.
fn declares_env(code: &str) -> bool {
    let words: Vec<&str> = code.split_ascii_whitespace().collect();
    let declares = words.windows(2).any(|pair| {
        pair[0] == "function"
            && pair[1].strip_prefix("env").is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
    });
    declares && !words.contains(&"namespace")
}

/// Composer's autoloader: it declares classes and functions, and is not followed.
fn is_autoloader(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "autoload.php")
        && path.parent().and_then(Path::file_name).is_some_and(|name| name == "vendor")
}

/// The clause that catches what `why` threw: PHP's own errors are no exceptions. `None`: it depends on a class
/// that is not followed.
fn catching_clause<'a>(
    tried: &'a TryCatchStmt<'a, 'a>,
    why: &Why,
) -> Option<Option<&'a php_ast::CatchClause<'a, 'a>>> {
    let reason = why.reason.as_str();
    let of_libraries = [
        "the .env file does not exist",
        "is not set",
        "is defined already",
        "was not defined",
        "is not understood",
    ];
    let is_exception = reason == THROWS || of_libraries.iter().any(|end| reason.ends_with(end));
    for clause in tried.catches.iter() {
        let mut may_catch = false;
        for name in clause.types.iter() {
            let name = name.join_parts().to_ascii_lowercase();
            match name.rsplit('\\').next().unwrap_or_default() {
                "throwable" => return Some(Some(clause)),
                "exception" if is_exception => return Some(Some(clause)),
                "error" if !is_exception => return Some(Some(clause)),
                "exception" | "error" => {}
                name if name.ends_with("error") => may_catch |= !is_exception,
                name if name.ends_with("exception") => may_catch |= is_exception,
                _ => may_catch = true,
            }
        }
        if may_catch {
            return None;
        }
    }
    Some(None)
}

/// What a `throw` is told as.
const THROWS: &str = "it throws an exception";

/// An error, by the name of its class, or an exception.
fn thrown(expr: &Expr<'_, '_>) -> &'static str {
    let is_error = match &expr.kind {
        ExprKind::New(new) => match &new.class.kind {
            ExprKind::Name(name) => name.join_parts().to_ascii_lowercase().ends_with("error"),
            _ => false,
        },
        _ => false,
    };
    if is_error { "it throws an error" } else { THROWS }
}

/// The methods of HyperDB and LudicrousDB that a configuration calls.
const ADDING: [&str; 3] = ["add_database", "add_table", "add_callback"];

fn is_wpdb(object: &Expr<'_, '_>) -> bool {
    matches!(&object.kind, ExprKind::Variable(name) if name.as_str() == "wpdb")
}
