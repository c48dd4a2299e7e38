//! What a program has done so far, and how two possible pasts become one.
//!
//! Where a condition is not known, both branches are taken, each from a copy of the state, and what they
//! left behind is joined: what is the same in both stays known, everything else becomes unknown.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

use php_ast::ast::FunctionDecl;

use super::classes::{Class, Object};
use super::eval::Here;
use super::value::{Array, Data, Value, Variables, Why, merge, same};

/// A constant, and where it was defined.
#[derive(Clone)]
pub struct Constant {
    pub value: Value,
    pub file: Rc<str>,
    pub line: u32,
    /// Set when it may not be defined at all.
    pub maybe: Option<Rc<Why>>,
}

/// A global variable, and where it was assigned last.
#[derive(Clone)]
pub struct Variable {
    pub value: Value,
    pub file: Rc<str>,
    pub line: u32,
}

/// A variable of a function.
#[derive(Clone)]
pub enum Local {
    Own(Value),
    /// It takes part in a reference: what is assigned to it is not followed.
    Reference(Rc<Why>),
    /// `global $name`.
    Global(String),
    /// `static $name`, by its key in [`State::statics`].
    Static(String),
}

/// A setting of Roots' `Config`: the name, the value, and why it may not have been set at all.
type Planned = (String, Value, Option<Rc<Why>>);

/// A function that the program declared, and the file it is from.
#[derive(Clone)]
pub struct Function<'a> {
    pub declaration: &'a FunctionDecl<'a, 'a>,
    pub here: Here<'a>,
}

/// Everything a program can change.
#[derive(Clone, Default)]
pub struct State<'a> {
    pub constants: HashMap<String, Constant>,
    pub globals: HashMap<String, Variable>,
    /// The variables of each function being called, the innermost last; none at file level.
    pub locals: Vec<HashMap<String, Local>>,
    pub statics: HashMap<String, Value>,
    /// `$_SERVER`, `$_ENV` and the like as far as they were written to.
    pub superglobals: HashMap<&'static str, Array>,
    /// `putenv()`; `None`: removed.
    pub putenv: HashMap<Vec<u8>, Option<Value>>,
    pub included: BTreeSet<PathBuf>,
    pub functions: HashMap<String, Function<'a>>,
    /// Declared classes, by their names in lower case.
    pub classes: HashMap<String, Class<'a>>,
    /// Objects of those classes, by their numbers.
    pub objects: HashMap<usize, Object>,
    /// Roots' `Config::define()` until `Config::apply()`.
    pub roots_config: Vec<Planned>,
    /// Whether Composer's autoloader was loaded, so that functions and classes exist that no file here declares.
    pub composer: bool,
    /// Why anything that is not defined yet may be defined after all.
    pub doubt: Option<Rc<Why>>,
    /// Unset environment variables that decided that a way which sets a constant was not taken, by its name.
    /// `f:` begins the name of a function, `s:` the key of a static variable.
    pub passed_over: BTreeMap<String, Rc<Variables>>,
    /// Unset environment variables with which code would run that may set anything.
    pub doubted: Option<Rc<Variables>>,
    /// Environment variables that this way supposes to be set, to what is not known: the way that was not taken.
    pub supposed: BTreeSet<String>,
    /// Global variables that took part in a reference: what is assigned to them is not followed.
    pub references: BTreeMap<String, Rc<Why>>,
    /// Why `getenv()` may show what is not in `putenv`.
    pub putenv_open: Option<Rc<Why>>,
    /// Why a relative path may start elsewhere.
    pub moved: Option<Rc<Why>>,
    /// On this way a proxy says which host was asked for.
    pub is_forwarded: bool,
}

/// The variable that stands for all that are not there, once something unknown may have set any.
pub const ANY: &str = "\0any";

impl<'a> State<'a> {
    /// Joins this state with another possible one.
    pub fn join(self, other: State<'a>, why: &Rc<Why>) -> State<'a> {
        let either = |left: Option<Value>, right: Option<Value>| join_values(left, right, why);
        let mut constants = HashMap::with_capacity(self.constants.len());
        let mut rest = other.constants;
        for (name, left) in self.constants {
            let joined = match rest.remove(&name) {
                Some(right) => {
                    let maybe = left.maybe.or(right.maybe);
                    Constant {
                        value: join_two(left.value, right.value, why),
                        maybe,
                        file: left.file,
                        line: left.line,
                    }
                }
                None => Constant { maybe: Some(why.clone()), ..left },
            };
            constants.insert(name, joined);
        }
        for (name, right) in rest {
            constants.insert(name, Constant { maybe: Some(why.clone()), ..right });
        }
        let mut globals = HashMap::with_capacity(self.globals.len());
        let mut rest = other.globals;
        for (name, left) in self.globals {
            let right = rest.remove(&name).map(|variable| variable.value);
            globals.insert(
                name,
                Variable { value: either(Some(left.value), right), file: left.file, line: left.line },
            );
        }
        for (name, right) in rest {
            globals.insert(
                name,
                Variable { value: either(None, Some(right.value)), file: right.file, line: right.line },
            );
        }
        let locals = self
            .locals
            .into_iter()
            .zip(other.locals)
            .map(|(left, right)| join_locals(left, right, why))
            .collect();
        let mut superglobals = self.superglobals;
        for (name, right) in other.superglobals {
            let left = superglobals.remove(name).unwrap_or_default();
            superglobals.insert(name, join_arrays(left, &right, why));
        }
        let doubt = self.doubt.or(other.doubt);
        let mut functions = self.functions;
        for (name, function) in other.functions {
            let differs = functions
                .get(&name)
                .is_some_and(|known| !std::ptr::eq(known.declaration, function.declaration));
            if differs {
                // Which of the two it is depends on the condition: a call of it must not be evaluated.
                functions.remove(&name);
            } else {
                functions.insert(name, function);
            }
        }
        let mut classes = self.classes;
        for (name, class) in other.classes {
            let known = classes.entry(name).or_insert_with(|| class.clone());
            let is_same = match (known.declaration, class.declaration) {
                (Some(left), Some(right)) => std::ptr::eq(left, right),
                (left, right) => left.is_none() && right.is_none(),
            };
            if !is_same {
                known.declaration = None;
            }
        }
        let mut objects = self.objects;
        for (id, right) in other.objects {
            let joined = match objects.remove(&id) {
                Some(left) => Object {
                    class: left.class,
                    properties: join_arrays(left.properties, &right.properties, why),
                },
                None => right,
            };
            objects.insert(id, joined);
        }
        let mut passed_over = self.passed_over;
        for (name, variables) in other.passed_over {
            let both = merge(&passed_over.get(&name).cloned(), &Some(variables));
            if let Some(both) = both {
                passed_over.insert(name, both);
            }
        }
        State {
            constants,
            globals,
            locals,
            statics: join_maps(self.statics, other.statics, &either),
            superglobals,
            putenv: join_putenv(self.putenv, other.putenv, why),
            included: self.included.intersection(&other.included).cloned().collect(),
            functions,
            classes,
            objects,
            roots_config: join_config(self.roots_config, other.roots_config, why),
            composer: self.composer || other.composer,
            doubt,
            passed_over,
            doubted: merge(&self.doubted, &other.doubted),
            supposed: self.supposed.intersection(&other.supposed).cloned().collect(),
            references: self.references.into_iter().chain(other.references).collect(),
            putenv_open: self.putenv_open.or(other.putenv_open),
            moved: self.moved.or(other.moved),
            is_forwarded: self.is_forwarded && other.is_forwarded,
        }
    }

    /// This state, where what the way that was not taken would have made otherwise depends on `env`.
    pub fn joined_with_supposed(mut self, other: State<'a>, env: &Rc<Variables>, why: &Rc<Why>) -> State<'a> {
        let tie = Some(env.clone());
        for (name, constant) in &mut self.constants {
            match other.constants.get(name) {
                Some(theirs) if theirs.maybe.is_none() || constant.maybe.is_some() => {
                    tie_value(&mut constant.value, &theirs.value, &tie);
                }
                _ => constant.value = std::mem::replace(&mut constant.value, Value::null()).with(&tie),
            }
        }
        for (name, theirs) in &other.constants {
            if !self.constants.contains_key(name) {
                self.pass_over(name.clone(), &merge(&tie, &theirs.value.env));
            }
        }
        for (name, variable) in &mut self.globals {
            match other.globals.get(name) {
                Some(theirs) => tie_value(&mut variable.value, &theirs.value, &tie),
                None => tie_value(&mut variable.value, &Value::null(), &tie),
            }
        }
        for (name, theirs) in other.globals {
            self.globals
                .entry(name)
                .or_insert_with(|| Variable { value: Value::null().with(&tie), ..theirs });
        }
        for (ours, theirs) in self.locals.iter_mut().zip(other.locals) {
            for (name, local) in ours.iter_mut() {
                match (&mut *local, theirs.get(name)) {
                    (Local::Own(value), Some(Local::Own(theirs))) => tie_value(value, theirs, &tie),
                    (Local::Own(value), None) => tie_value(value, &Value::null(), &tie),
                    (Local::Global(left), Some(Local::Global(right))) if left == right => {}
                    (Local::Static(left), Some(Local::Static(right))) if left == right => {}
                    (Local::Reference(_), _) => {}
                    (local, _) => *local = Local::Reference(why.clone()),
                }
            }
            for (name, theirs) in theirs {
                ours.entry(name).or_insert_with(|| match theirs {
                    Local::Own(_) => Local::Own(Value::null().with(&tie)),
                    _ => Local::Reference(why.clone()),
                });
            }
        }
        for (key, value) in &mut self.statics {
            match other.statics.get(key) {
                Some(theirs) => tie_value(value, theirs, &tie),
                None => *value = std::mem::replace(value, Value::null()).with(&tie),
            }
        }
        for key in other.statics.into_keys() {
            if !self.statics.contains_key(&key) {
                self.pass_over(format!("s:{key}"), &tie);
            }
        }
        for (name, theirs) in other.superglobals {
            let ours = self.superglobals.remove(name).unwrap_or_default();
            self.superglobals.insert(name, tie_arrays(ours, &theirs, &tie, why));
        }
        for (name, ours) in &mut self.putenv {
            match (&mut *ours, other.putenv.get(name)) {
                (Some(value), Some(Some(theirs))) => tie_value(value, theirs, &tie),
                (None, Some(None)) => {}
                (Some(value), _) => *value = std::mem::replace(value, Value::null()).with(&tie),
                (None, _) => *ours = Some(Value::bool(false).with(&tie)),
            }
        }
        for name in other.putenv.into_keys() {
            self.putenv.entry(name).or_insert_with(|| Some(Value::unknown(why.clone())));
        }
        for (name, function) in &other.functions {
            let same = |ours: &Function<'a>| std::ptr::eq(ours.declaration, function.declaration);
            if !self.functions.get(name).is_some_and(same) {
                self.pass_over(format!("f:{name}"), &tie);
            }
        }
        let missing: Vec<String> =
            self.functions.keys().filter(|name| !other.functions.contains_key(*name)).cloned().collect();
        for name in missing {
            self.pass_over(format!("f:{name}"), &tie);
        }
        for (name, ours) in &mut self.classes {
            let is_same =
                other.classes.get(name).is_some_and(|theirs| match (ours.declaration, theirs.declaration) {
                    (Some(left), Some(right)) => std::ptr::eq(left, right),
                    (left, right) => left.is_none() && right.is_none(),
                });
            if !is_same {
                ours.declaration = None;
            }
        }
        for (id, ours) in &mut self.objects {
            if let Some(theirs) = other.objects.get(id) {
                let properties = std::mem::take(&mut ours.properties);
                ours.properties = tie_properties(properties, &theirs.properties, &tie);
            }
        }
        for (name, value, _) in &mut self.roots_config {
            match other.roots_config.iter().find(|(theirs, ..)| theirs == name) {
                Some((_, theirs, None)) => tie_value(value, theirs, &tie),
                _ => *value = std::mem::replace(value, Value::null()).with(&tie),
            }
        }
        for (name, ..) in &other.roots_config {
            if !self.roots_config.iter().any(|(ours, ..)| ours == name) {
                self.pass_over(name.clone(), &tie);
            }
        }
        for (name, variables) in other.passed_over {
            self.pass_over(name, &Some(variables));
        }
        if other.doubt.is_some() && self.doubt.is_none()
            || other.putenv_open.is_some() && self.putenv_open.is_none()
            || other.composer && !self.composer
        {
            self.doubted = merge(&self.doubted, &tie);
        }
        if other.doubted.is_some() {
            self.doubted = merge(&self.doubted, &merge(&other.doubted, &tie));
        }
        for (name, reference) in other.references {
            self.references.entry(name).or_insert(reference);
        }
        self.moved = self.moved.or(other.moved);
        self
    }

    /// How many values there are, and how many of them are not known: what joining states only adds to.
    pub fn known(&self) -> (usize, usize) {
        let (mut all, mut unknown) = (0, 0);
        let mut count = |value: &Value| {
            all += 1;
            unknown += value.holes();
        };
        self.constants.values().for_each(|constant| count(&constant.value));
        self.globals.values().for_each(|variable| count(&variable.value));
        for local in self.locals.iter().flat_map(HashMap::values) {
            match local {
                Local::Own(value) => count(value),
                _ => count(&Value::null()),
            }
        }
        self.statics.values().for_each(&mut count);
        for array in self.superglobals.values().chain(self.objects.values().map(|object| &object.properties))
        {
            array.entries.iter().for_each(|(_, value)| count(value));
            count(&array.open.clone().map_or_else(Value::null, Value::unknown));
        }
        self.putenv.values().flatten().for_each(&mut count);
        let unknown_if = |why: &Option<Rc<Why>>, unknown: &mut usize| *unknown += usize::from(why.is_some());
        all += self.constants.values().filter(|constant| constant.maybe.is_some()).count();
        all += self.roots_config.len() + self.passed_over.len() + self.references.len();
        for doubt in [&self.doubt, &self.putenv_open, &self.moved] {
            unknown_if(doubt, &mut unknown);
        }
        (all, unknown)
    }

    /// A way that is not taken would set this name.
    pub fn pass_over(&mut self, name: String, env: &Option<Rc<Variables>>) {
        if let Some(both) = merge(&self.passed_over.get(&name).cloned(), env) {
            self.passed_over.insert(name, both);
        }
    }

    /// Everything that is no constant depends on `env`, and so does what is not set yet.
    pub fn doubt_with(&mut self, env: &Option<Rc<Variables>>) {
        let tie = |value: &mut Value| *value = std::mem::replace(value, Value::null()).with(env);
        self.each_value(tie);
        self.doubted = merge(&self.doubted, env);
    }

    /// Every value but those of the constants.
    fn each_value(&mut self, mut change: impl FnMut(&mut Value)) {
        self.globals.values_mut().for_each(|variable| change(&mut variable.value));
        for local in self.locals.iter_mut().flat_map(HashMap::values_mut) {
            if let Local::Own(value) = local {
                change(value);
            }
        }
        self.statics.values_mut().for_each(&mut change);
        let arrays = self.superglobals.values_mut();
        let arrays = arrays.chain(self.objects.values_mut().map(|object| &mut object.properties));
        arrays.flat_map(|array| array.entries.iter_mut()).for_each(|(_, value)| change(value));
        self.putenv.values_mut().flatten().for_each(&mut change);
        self.roots_config.iter_mut().for_each(|(_, value, _)| change(value));
    }

    /// From here on `env`'s variables are supposed to be set: what was made of their absence is not known.
    pub fn suppose(&mut self, env: &Rc<Variables>, why: &Rc<Why>) {
        let made_of_it = |value: &mut Value| {
            let depends =
                |of: &Rc<Variables>| env.iter().any(|(name, set)| !set && of.get(name) == Some(&false));
            if value.variables_inside().as_ref().is_some_and(depends) {
                *value = Value::unknown(why.clone());
            }
        };
        self.each_value(made_of_it);
        self.constants.values_mut().for_each(|constant| made_of_it(&mut constant.value));
        self.supposed.extend(env.iter().filter(|(_, set)| !**set).map(|(name, _)| name.clone()));
    }

    /// Forgets every variable: something unknown may have changed them. Constants cannot change.
    pub fn forget_variables(&mut self, why: &Rc<Why>) {
        for variable in self.globals.values_mut() {
            variable.value = Value::unknown(why.clone());
        }
        let any = Variable { value: Value::unknown(why.clone()), file: why.file.clone(), line: why.line };
        self.globals.insert(ANY.to_owned(), any);
        if let Some(scope) = self.locals.last_mut() {
            for local in scope.values_mut() {
                if let Local::Own(value) = local {
                    *value = Value::unknown(why.clone());
                }
            }
            scope.insert(ANY.to_owned(), Local::Own(Value::unknown(why.clone())));
        }
        self.putenv.clear();
        self.putenv_open.get_or_insert_with(|| why.clone());
        for object in self.objects.values_mut() {
            object.properties = Array { open: Some(why.clone()), ..Array::default() };
        }
        // Static properties of classes; those of functions only the functions themselves change.
        for (_, value) in self.statics.iter_mut().filter(|(key, _)| key.contains("::$")) {
            *value = Value::unknown(why.clone());
        }
        for name in ["_ENV", "_SERVER"] {
            let array = self.superglobals.entry(name).or_default();
            array.open = Some(why.clone());
            array.entries.clear();
        }
    }
}

/// Ties a value to the variables that would have made it the other one.
pub fn tie_value(ours: &mut Value, theirs: &Value, tie: &Option<Rc<Variables>>) {
    if let (Data::Array(left), Data::Array(right)) = (&mut ours.data, &theirs.data)
        && left.open.is_none()
        && right.open.is_none()
        && left.entries.len() == right.entries.len()
        && left.entries.iter().zip(&right.entries).all(|((left, _), (right, _))| left == right)
    {
        if Rc::ptr_eq(left, right) {
            return;
        }
        for ((_, ours), (_, theirs)) in Rc::make_mut(left).entries.iter_mut().zip(&right.entries) {
            tie_value(ours, theirs, tie);
        }
        return;
    }
    let is_same = same(ours, theirs);
    let value = std::mem::replace(ours, Value::null());
    *ours = if is_same { value.with(&theirs.env) } else { value.with(tie) };
}

fn tie_properties(mut ours: Array, theirs: &Array, tie: &Option<Rc<Variables>>) -> Array {
    for (key, value) in &mut ours.entries {
        tie_value(value, theirs.get(key).unwrap_or(&Value::null()), tie);
    }
    for (key, _) in &theirs.entries {
        if ours.get(key).is_none() {
            ours.set(key.clone(), Value::null().with(tie));
        }
    }
    ours.open = ours.open.or_else(|| theirs.open.clone());
    ours
}

fn tie_arrays(mut ours: Array, theirs: &Array, tie: &Option<Rc<Variables>>, why: &Rc<Why>) -> Array {
    for (key, value) in &mut ours.entries {
        match theirs.get(key) {
            Some(theirs) => tie_value(value, theirs, tie),
            None => *value = std::mem::replace(value, Value::null()).with(tie),
        }
    }
    for (key, _) in &theirs.entries {
        if ours.get(key).is_none() {
            ours.set(key.clone(), Value::unknown(why.clone()));
        }
    }
    ours.open = ours.open.or_else(|| theirs.open.clone());
    ours
}

/// The value that is one of two.
pub fn join_two(left: Value, right: Value, why: &Rc<Why>) -> Value {
    if same(&left, &right) {
        return left.with(&right.env);
    }
    // An older reason is closer to the cause.
    let why = left.why().or_else(|| right.why()).unwrap_or_else(|| why.clone());
    Value::unknown(why)
}

fn join_values(left: Option<Value>, right: Option<Value>, why: &Rc<Why>) -> Value {
    match (left, right) {
        (Some(left), Some(right)) => join_two(left, right, why),
        (Some(one), None) | (None, Some(one)) => Value::unknown(one.why().unwrap_or_else(|| why.clone())),
        (None, None) => Value::null(),
    }
}

fn join_maps(
    left: HashMap<String, Value>,
    mut right: HashMap<String, Value>,
    either: &dyn Fn(Option<Value>, Option<Value>) -> Value,
) -> HashMap<String, Value> {
    let mut joined: HashMap<String, Value> = left
        .into_iter()
        .map(|(name, value)| (name.clone(), either(Some(value), right.remove(&name))))
        .collect();
    joined.extend(right.into_iter().map(|(name, value)| (name, either(None, Some(value)))));
    joined
}

fn join_locals(
    left: HashMap<String, Local>,
    mut right: HashMap<String, Local>,
    why: &Rc<Why>,
) -> HashMap<String, Local> {
    let unknown = || Local::Own(Value::unknown(why.clone()));
    let mut joined = HashMap::with_capacity(left.len());
    for (name, local) in left {
        let other = right.remove(&name);
        let local = match (local, other) {
            (Local::Own(left), Some(Local::Own(right))) => Local::Own(join_two(left, right, why)),
            (Local::Global(left), Some(Local::Global(right))) if left == right => Local::Global(left),
            (Local::Static(left), Some(Local::Static(right))) if left == right => Local::Static(left),
            (Local::Own(_), None) => unknown(),
            // Which variable it is depends on the condition.
            _ => Local::Reference(why.clone()),
        };
        joined.insert(name, local);
    }
    joined.extend(right.into_iter().map(|(name, local)| {
        (name, if matches!(local, Local::Own(_)) { unknown() } else { Local::Reference(why.clone()) })
    }));
    joined
}

fn join_arrays(left: Array, right: &Array, why: &Rc<Why>) -> Array {
    let mut joined = Array { open: left.open.clone().or_else(|| right.open.clone()), ..Array::default() };
    for (key, value) in &left.entries {
        joined.set(key.clone(), join_values(Some(value.clone()), right.get(key).cloned(), why));
    }
    for (key, value) in &right.entries {
        if left.get(key).is_none() {
            joined.set(key.clone(), join_values(None, Some(value.clone()), why));
        }
    }
    joined
}

fn join_putenv(
    left: HashMap<Vec<u8>, Option<Value>>,
    mut right: HashMap<Vec<u8>, Option<Value>>,
    why: &Rc<Why>,
) -> HashMap<Vec<u8>, Option<Value>> {
    let unknown = || Some(Value::unknown(why.clone()));
    let mut joined: HashMap<_, _> = left
        .into_iter()
        .map(|(name, value)| {
            let joined = match (value, right.remove(&name)) {
                (Some(left), Some(Some(right))) => Some(join_two(left, right, why)),
                (None, Some(None)) => None,
                _ => unknown(),
            };
            (name, joined)
        })
        .collect();
    joined.extend(right.into_keys().map(|name| (name, unknown())));
    joined
}

fn join_config(left: Vec<Planned>, mut right: Vec<Planned>, why: &Rc<Why>) -> Vec<Planned> {
    let mut joined: Vec<Planned> = Vec::with_capacity(left.len());
    for (name, value, maybe) in left {
        match right.iter().position(|(candidate, ..)| *candidate == name) {
            Some(at) => {
                let (_, other, other_maybe) = right.remove(at);
                joined.push((name, join_two(value, other, why), maybe.or(other_maybe)));
            }
            None => joined.push((name, value, Some(why.clone()))),
        }
    }
    joined.extend(right.into_iter().map(|(name, value, _)| (name, value, Some(why.clone()))));
    joined
}
