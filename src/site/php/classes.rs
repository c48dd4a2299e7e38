//! The classes that a configuration declares: constants, static and other properties, methods, objects.
//!
//! An object is a handle into [`State::objects`](super::state::State::objects), as in PHP: whoever holds it sees
//! what others change. Traits, magic methods and parents that no file here declares are not followed; an
//! object of such a class is unknown, and its constructor may have done anything.

use std::collections::HashMap;
use std::rc::Rc;

use php_ast::ast::{
    ClassDecl, ClassMemberKind, Expr, ExprKind, MethodDecl, Modifiers, PropertyDecl, Visibility,
};
use php_ast::{Arg, Span};

use super::eval::{Eval, Evaluator, Flow, Here, Stop};
use super::functions::{ENV_DEFAULT, ENV_OPTIONS, env_constant};
use super::names::is_generator;
use super::state::Local;
use super::value::{Array, Data, Key, Value};

/// A declared class. Without a declaration: an interface, a trait or an enum, or one of two classes.
#[derive(Clone)]
pub struct Class<'a> {
    pub declaration: Option<&'a ClassDecl<'a, 'a>>,
    pub here: Here<'a>,
}

/// An object: the class in lower case, and the properties.
#[derive(Clone)]
pub struct Object {
    pub class: Rc<str>,
    pub properties: Array,
}

/// How many classes a class may descend from.
const MOST_PARENTS: usize = 16;

impl<'a> Evaluator<'a> {
    /// A declared class by its full name in lower case.
    pub fn class(&self, name: &str) -> Option<Class<'a>> {
        let name = name.trim_start_matches('\\');
        let short = name.rsplit('\\').next().unwrap_or(name);
        if self.mixed.contains(short) {
            return None;
        }
        self.state.classes.get(name).or_else(|| self.state.classes.get(short)).cloned()
    }

    /// The name that a class expression means, in lower case: `self`, `static` and `parent` are resolved.
    pub fn class_of(&mut self, expr: &'a Expr<'a, 'a>) -> Result<Option<String>, Stop> {
        let ExprKind::Name(name) = &expr.kind else {
            let value = self.expr(expr)?;
            if self.unset(&value.env).is_some() {
                // With another value there, another class would be meant.
                let why = self.why(expr.span, "which class it is depends on the environment");
                self.unknown_call(why);
                return Ok(None);
            }
            return Ok(match &value.data {
                Data::Instance(id) => self.state.objects.get(id).map(|object| object.class.to_string()),
                Data::Str(name) => Some(String::from_utf8_lossy(name).to_ascii_lowercase()),
                _ => None,
            });
        };
        let written = name.join_parts().to_ascii_lowercase();
        Ok(match written.as_str() {
            "self" => self.here.class.as_deref().map(str::to_owned),
            "static" => self.here.called.as_deref().map(str::to_owned),
            "parent" => {
                let own = self.here.class.clone();
                own.and_then(|own| self.parent(&own))
            }
            _ => Some(self.class_name(name).to_ascii_lowercase()),
        })
    }

    /// The class that `name` extends, in lower case.
    fn parent(&self, name: &str) -> Option<String> {
        let class = self.class(name)?;
        let parent = class.declaration?.extends.as_ref()?;
        let uses = class.here.uses.borrow();
        let written = parent.join_parts().to_ascii_lowercase();
        Some(uses.class(&written).map_or(written, |full| full.to_ascii_lowercase()))
    }

    /// The class and those it descends from, itself first. `None`: one of them is not followed.
    fn line(&self, name: &str) -> Option<Vec<(String, Class<'a>)>> {
        let mut line = Vec::new();
        let mut next = Some(name.trim_start_matches('\\').to_owned());
        while let Some(name) = next {
            let class = self.class(&name)?;
            let declaration = class.declaration?;
            let is_plain = declaration.body.members.iter().all(|member| match &member.kind {
                ClassMemberKind::TraitUse(_) => false,
                ClassMemberKind::Property(property) => property.hooks.is_empty(),
                ClassMemberKind::Method(method) => {
                    !method.name.as_str().is_some_and(|name| name.starts_with("__") && !is_plain_magic(name))
                }
                _ => true,
            });
            if !is_plain || line.len() > MOST_PARENTS {
                return None;
            }
            next = self.parent(&name);
            if next.is_none() && declaration.extends.is_some() {
                return None;
            }
            line.push((name, class));
        }
        Some(line)
    }

    /// Whether code here may use a member that `owner` declared.
    fn may_use(&self, modifiers: &Modifiers, owner: &str) -> bool {
        match modifiers.visibility {
            None | Some(Visibility::Public) => true,
            Some(Visibility::Private) => self.here.class.as_deref() == Some(owner),
            Some(Visibility::Protected) => self.here.class.as_deref().is_some_and(|own| {
                let descends = |name: &str, from: &str| {
                    self.line(name).is_some_and(|line| line.iter().any(|(name, _)| name == from))
                };
                descends(own, owner) || descends(owner, own)
            }),
            Some(_) => false,
        }
    }

    fn not_followed(&mut self, class: &str, span: Span) -> Value {
        let why = self.why(span, format!("the class {class} is not followed"));
        self.unknown_call(why)
    }

    /// Evaluates `expr` as code of `class`.
    fn in_class(&mut self, name: &str, class: &Class<'a>, expr: &'a Expr<'a, 'a>) -> Eval {
        let here = Here { class: Some(name.into()), called: Some(name.into()), ..class.here.clone() };
        let outer = std::mem::replace(&mut self.here, here);
        let value = self.expr(expr);
        self.here = outer;
        value
    }

    /// `Class::NAME`.
    pub fn class_constant(&mut self, class: &str, name: &str, span: Span) -> Eval {
        if matches!(class, "env\\env" | "env")
            && let Some(option) = env_constant(name)
        {
            return Ok(Value::int(option));
        }
        let Some(line) = self.line(class) else {
            return Ok(
                self.unknown(span, format!("the constant {name} of the class {class} is not followed"))
            );
        };
        for (owner, class) in line {
            let members =
                class.declaration.into_iter().flat_map(|declaration| declaration.body.members.iter());
            for member in members {
                if let ClassMemberKind::ClassConst(constant) = &member.kind
                    && constant.name.as_str() == Some(name)
                {
                    if !self.may_use(&constant.modifiers, &owner) {
                        return Err(self.throw(span, format!("the constant {name} is private to its class")));
                    }
                    return self.in_class(&owner, &class, &constant.value);
                }
            }
            if class.declaration.is_some_and(|declaration| !declaration.implements.is_empty()) {
                return Ok(self.unknown(span, format!("the constant {name} may be an interface's")));
            }
        }
        Err(self.throw(span, format!("the class has no constant {name}")))
    }

    /// The key in [`State::statics`](super::state::State::statics) of `Class::$name`, once it has its first value.
    pub fn static_property(&mut self, class: &str, name: &str, span: Span) -> Result<Option<String>, Stop> {
        if matches!(class, "env\\env" | "env") && name == "options" && self.class(class).is_none() {
            let key = ENV_OPTIONS.to_owned();
            self.state.statics.entry(key.clone()).or_insert_with(|| Value::int(ENV_DEFAULT));
            return Ok(Some(key));
        }
        let Some(line) = self.line(class) else { return Ok(None) };
        for (owner, class) in line {
            let Some(property) = declared(&class, name).filter(|property| property.modifiers.is_static)
            else {
                continue;
            };
            if !self.may_use(&property.modifiers, &owner) {
                return Err(self.throw(span, format!("the property ${name} is private to its class")));
            }
            let key = format!("{owner}::${name}");
            if !self.state.statics.contains_key(&key) {
                let value = match &property.default {
                    Some(default) => self.in_class(&owner, &class, default)?,
                    None => Value::null(),
                };
                let value = value.with(&self.state.passed_over.get(&format!("s:{key}")).cloned());
                self.state.statics.insert(key.clone(), value);
            }
            return Ok(Some(key));
        }
        Err(self.throw(span, format!("the class has no static property ${name}")))
    }

    /// Whether code here may use the property `name` of an object.
    pub fn may_use_property(&self, class: &str, name: &str) -> bool {
        let Some(line) = self.line(class) else { return false };
        line.iter().all(|(owner, class)| {
            let promoted = constructor(class).into_iter().flat_map(|method| method.params.iter());
            let mut modifiers = promoted
                .filter(|parameter| {
                    parameter.name.as_str() == Some(name) && is_promoted(&parameter.modifiers)
                })
                .map(|parameter| &parameter.modifiers)
                .chain(declared(class, name).map(|property| &property.modifiers));
            modifiers.all(|modifiers| self.may_use(modifiers, owner))
        })
    }

    /// `new Class( … )` of a class that is declared here.
    pub fn instantiate(&mut self, class: &str, arguments: &'a [Arg<'a, 'a>], span: Span) -> Eval {
        let Some(line) = self.line(class) else {
            self.arguments(arguments)?;
            return Ok(self.not_followed(class, span));
        };
        if self.state.objects.len() >= 1_000 {
            return Err(Stop::Limit(self.why(span, "it makes too many objects")));
        }
        let name: Rc<str> = line.first().map_or(class, |(name, _)| name).into();
        let mut properties = Array::default();
        let mut private: Vec<&str> = Vec::new();
        for (owner, class) in line.iter().rev() {
            if class.declaration.is_some_and(|declaration| declaration.modifiers.is_abstract)
                && **owner == *name
            {
                return Err(self.throw(span, "it makes an object of an abstract class"));
            }
            for member in
                class.declaration.into_iter().flat_map(|declaration| declaration.body.members.iter())
            {
                let ClassMemberKind::Property(property) = &member.kind else { continue };
                let Some(property_name) = property.name.as_str() else { continue };
                if property.modifiers.is_static {
                    continue;
                }
                if private.contains(&property_name) {
                    // Two properties of one name, each seen by its own class.
                    return Ok(self.not_followed(&name, span));
                }
                if property.modifiers.visibility == Some(Visibility::Private) {
                    private.push(property_name);
                }
                let value = match &property.default {
                    Some(default) => self.in_class(owner, class, default)?,
                    // PHP refuses to read it before it is set.
                    None if property.type_hint.is_some() => continue,
                    None => Value::null(),
                };
                properties.set(Key::from_bytes(property_name.as_bytes()), value);
            }
        }
        self.objects_made += 1;
        let id = self.objects_made;
        self.state.objects.insert(id, Object { class: name.clone(), properties });
        let object = Value::new(Data::Instance(id));
        if line.iter().any(|(_, class)| constructor(class).is_some()) {
            self.call_method(object.clone(), &name, "__construct", arguments, span)?;
        } else {
            self.arguments(arguments)?;
        }
        Ok(object)
    }

    /// `$object->name( … )` and `Class::name( … )`; `this` is null for a static call from outside.
    pub fn call_method(
        &mut self,
        this: Value,
        class: &str,
        name: &str,
        arguments: &'a [Arg<'a, 'a>],
        span: Span,
    ) -> Eval {
        let Some(line) = self.line(class) else {
            self.arguments(arguments)?;
            return Ok(self.not_followed(class, span));
        };
        // A private method of the class whose code calls comes first.
        let own = self.here.class.clone().and_then(|own| {
            let class = line.iter().find(|(name, _)| **name == *own)?;
            let method = method_of(&class.1, name)?;
            (method.modifiers.visibility == Some(Visibility::Private)).then(|| (class.clone(), method))
        });
        let found = own.or_else(|| {
            line.iter().find_map(|class| method_of(&class.1, name).map(|method| (class.clone(), method)))
        });
        let Some(((owner, class_found), method)) = found else {
            return Err(self.throw(span, format!("the class {class} has no method {name}()")));
        };
        let Some(body) = method.body else {
            return Err(self.throw(span, format!("{name}() is abstract")));
        };
        let may_use = self.may_use(&method.modifiers, &owner);
        if !may_use || (!method.modifiers.is_static && !matches!(this.data, Data::Instance(_))) {
            return Err(self.throw(span, format!("{name}() cannot be called here")));
        }
        let called: Rc<str> = match &this.data {
            Data::Instance(id) => {
                self.state.objects.get(id).map_or(class.into(), |object| object.class.clone())
            }
            _ => class.into(),
        };
        let Some(values) = self.arranged(&method.params, arguments)? else {
            let why = self.why(span, format!("the arguments of {name}() are not followed"));
            return Ok(self.unknown_call(why));
        };
        if is_generator(&body.stmts) {
            return Ok(self.generator(span));
        }
        let lent = self.lend(&method.params, arguments, span)?;
        let here = Here { class: Some(owner.as_str().into()), called: Some(called), ..class_found.here };
        let mut scope = HashMap::new();
        if !method.modifiers.is_static {
            scope.insert("this".to_owned(), Local::Own(this.clone()));
        }
        let shown = method.name.as_str().unwrap_or(name);
        let (value, last) =
            self.call_body(&here, shown, &method.params, &mut scope, values, span, |evaluator| {
                for parameter in method.params.iter().filter(|parameter| is_promoted(&parameter.modifiers)) {
                    if let (Some(name), Data::Instance(id)) = (parameter.name.as_str(), &this.data) {
                        let value = evaluator.variable(name);
                        if let Some(object) = evaluator.state.objects.get_mut(id) {
                            object.properties.set(Key::from_bytes(name.as_bytes()), value);
                        }
                    }
                }
                match evaluator.block(body)? {
                    Flow::Normal => Ok(Flow::Normal),
                    other => Ok(other),
                }
            })?;
        self.take_back(lent, &method.params, &last, arguments, span)?;
        self.coerce(value, method.return_type.as_ref(), span)
    }

    /// What a property makes of a value that is assigned to it.
    pub fn accepted(&mut self, class: &str, name: &[u8], value: Value, is_set: bool, span: Span) -> Eval {
        let name = String::from_utf8_lossy(name);
        let Some(line) = self.line(class) else { return Ok(value) };
        for (owner, class) in line {
            let property =
                declared(&class, &name).map(|property| (&property.modifiers, property.type_hint.as_ref()));
            let promoted = constructor(&class).into_iter().flat_map(|method| method.params.iter());
            let promoted = promoted
                .filter(|parameter| {
                    parameter.name.as_str() == Some(&*name) && is_promoted(&parameter.modifiers)
                })
                .map(|parameter| (&parameter.modifiers, parameter.type_hint.as_ref()))
                .next();
            let Some((modifiers, hint)) = property.or(promoted) else { continue };
            let is_readonly = modifiers.is_readonly
                || class.declaration.is_some_and(|declaration| declaration.modifiers.is_readonly);
            if is_readonly && (is_set || self.here.class.as_deref() != Some(&*owner)) {
                return Err(self.throw(span, format!("the property ${name} is read only")));
            }
            return self.coerce(value, hint, span);
        }
        Ok(value)
    }

    /// The class of an object as it is written, for `get_class()` and `::class`.
    pub fn written_class(&self, name: &str) -> Option<String> {
        if self.class(name)?.here.uses.borrow().is_namespaced {
            return None;
        }
        self.class(name)?.declaration?.name?.as_str().map(str::to_owned)
    }

    /// `instanceof`, where every class of the line is known.
    pub fn is_instance(&self, id: usize, class: &str) -> Option<bool> {
        let line = self.line(&self.state.objects.get(&id)?.class)?;
        if line.iter().any(|(name, _)| name == class) {
            return Some(true);
        }
        let has_interface =
            line.iter().any(|(_, class)| class.declaration.is_none_or(|class| !class.implements.is_empty()));
        (!has_interface).then_some(false)
    }
}

/// Methods that PHP calls by itself, and only where the walk sees it.
fn is_plain_magic(name: &str) -> bool {
    ["__construct", "__destruct", "__invoke", "__tostring"].contains(&name.to_ascii_lowercase().as_str())
        && !name.eq_ignore_ascii_case("__destruct")
}

fn is_promoted(modifiers: &Modifiers) -> bool {
    modifiers.visibility.is_some() || modifiers.is_readonly
}

fn constructor<'a>(class: &Class<'a>) -> Option<&'a MethodDecl<'a, 'a>> {
    method_of(class, "__construct")
}

fn method_of<'a>(class: &Class<'a>, name: &str) -> Option<&'a MethodDecl<'a, 'a>> {
    class.declaration?.body.members.iter().find_map(|member| match &member.kind {
        ClassMemberKind::Method(method)
            if method.name.as_str().is_some_and(|candidate| candidate.eq_ignore_ascii_case(name)) =>
        {
            Some(method)
        }
        _ => None,
    })
}

fn declared<'a>(class: &Class<'a>, name: &str) -> Option<&'a PropertyDecl<'a, 'a>> {
    class.declaration?.body.members.iter().find_map(|member| match &member.kind {
        ClassMemberKind::Property(property) if property.name.as_str() == Some(name) => Some(property),
        _ => None,
    })
}
