//! XML-RPC: `wp.getUsersBlogs`, the method that clients test a login with.
//!
//! WordPress: `wp_xmlrpc_server::login()` answers every refusal with the same fault, so this tells less than the REST
//! API does.

use zeroize::Zeroizing;

use super::http::{Address, Ask, Client, Reply};
use super::reason::shown;
use super::{Accepted, Answer, Reason, rest};
use crate::secret::PlainPassword;

/// The answer of an `xmlrpc.php`.
pub fn ask(client: &Client, address: &Address, login: &str, password: &PlainPassword) -> Answer {
    // The whole capacity at once, so that no copy of the password stays behind.
    let mut call = Zeroizing::new(String::with_capacity(1024 + 6 * (login.len() + password.expose().len())));
    call.push_str("<?xml version=\"1.0\"?><methodCall><methodName>wp.getUsersBlogs</methodName><params>");
    for text in [login, password.expose()] {
        call.push_str("<param><value><string>");
        escape(text, &mut call);
        call.push_str("</string></value></param>");
    }
    call.push_str("</params></methodCall>");
    match client.send(address, &Ask::Post(&call)) {
        Ok(reply) => read(&reply),
        Err(reason) => Answer::NotTold(reason),
    }
}

fn read(reply: &Reply) -> Answer {
    let body = String::from_utf8_lossy(&reply.body);
    let is_answer = body.contains("<methodResponse");
    if let Some(code) = is_answer.then(|| fault_code(&body)).flatten() {
        let message = shown(&unescaped(fault_string(&body).unwrap_or_default()));
        return match code {
            403 => Answer::Refused(Reason::XmlRpcRefused { message }),
            405 => Answer::NotTold(Reason::XmlRpcDisabled(format!("fault 405: {message}"))),
            // "requested method does not exist": a filter took it away.
            -32601 => Answer::NotTold(Reason::XmlRpcDisabled(format!("fault -32601: {message}"))),
            _ => Answer::NotTold(Reason::XmlRpcFault { code, message }),
        };
    }
    if is_answer && reply.status == 200 && body.contains("<params>") {
        return Answer::Accepted(Accepted::default());
    }
    Answer::NotTold(match rest::not_wordpress(reply) {
        Reason::Blocked { status } => Reason::XmlRpcDisabled(format!("HTTP {status}")),
        Reason::RestDisabled { status: status @ (404 | 405 | 410), .. } => {
            Reason::XmlRpcDisabled(format!("HTTP {status}"))
        }
        Reason::RestDisabled { .. } => Reason::NoXmlRpc,
        other => other,
    })
}

fn fault_code(body: &str) -> Option<i64> {
    let member = body.split_once("<fault>")?.1.split_once("faultCode</name>")?.1;
    let value = member.split_once("<int>").or_else(|| member.split_once("<i4>"))?.1;
    value.split_once("</")?.0.trim().parse().ok()
}

fn fault_string(body: &str) -> Option<&str> {
    let member = body.split_once("<fault>")?.1.split_once("faultString</name>")?.1;
    Some(member.split_once("<string>")?.1.split_once("</string>")?.0)
}

fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            other => into.push(other),
        }
    }
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#039;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_with_and_without_blanks() {
        let body = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><i4> -32601 </i4></value>\
                    </member><member><name>faultString</name>\n<value><string>a &lt;b&gt; &amp;amp;</string></value></member>";
        assert_eq!(fault_code(body), Some(-32601));
        assert_eq!(unescaped(fault_string(body).unwrap()), "a <b> &amp;");
        assert_eq!(fault_code("<methodResponse><params><faultCode</name><int>1</int>"), None);
    }
}
