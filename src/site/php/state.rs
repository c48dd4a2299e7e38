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
use super::value::{Array, Value, Variables, Why, merge, same};

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
    /// Environment variables that decided that a branch which sets a name was not taken, by that name.
    pub passed_over: BTreeMap<String, Rc<Variables>>,
}

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
        }
    }

    /// Forgets every variable: something unknown may have changed them. Constants cannot change.
    pub fn forget_variables(&mut self, why: &Rc<Why>) {
        for variable in self.globals.values_mut() {
            variable.value = Value::unknown(why.clone());
        }
        for local in self.locals.last_mut().into_iter().flat_map(HashMap::values_mut) {
            if let Local::Own(value) = local {
                *value = Value::unknown(why.clone());
            }
        }
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
        }
    }
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
            _ => unknown(),
        };
        joined.insert(name, local);
    }
    joined.extend(right.into_keys().map(|name| (name, unknown())));
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
