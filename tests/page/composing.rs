//! Enter while the input method composes: events as browsers give them, through the handlers of
//! the page.

use crate::start;
use crate::support::browser::Browser;

/// What composes a text in the input, without its end.
const COMPOSE: &str = "
    const line = document.getElementById('line');
    const key = (type, fields) => line.dispatchEvent(
        new KeyboardEvent(type, { bubbles: true, cancelable: true, ...fields }));
    const enter = fields => key('keydown', { key: 'Enter', code: 'Enter', ...fields });
    const up = () => key('keyup', { key: 'Enter', code: 'Enter', keyCode: 13 });
    const compose = (type, data) =>
        line.dispatchEvent(new CompositionEvent(type, { bubbles: true, data }));
    const begin = (before, text) => {
        compose('compositionstart', '');
        line.value = before + text;
        compose('compositionupdate', text);
        line.dispatchEvent(new InputEvent('input', { bubbles: true, isComposing: true }));
    };
    // What was composed stands in the input now, also if it was emptied meanwhile.
    const end = text => {
        if (!line.value.endsWith(text)) line.value += text;
        compose('compositionend', text);
    };
    const input = () => line.dispatchEvent(new InputEvent('input', { bubbles: true }));
    line.focus();";

/// The events of one Enter at the end of a composition of `text`, by browser and system.
const ORDERS: [(&str, &str); 5] = [
    ("chromium", "enter({ keyCode: 229, isComposing: true }); input(); end(text); up();"),
    (
        "chromium on macOS",
        "enter({ keyCode: 229, isComposing: true }); input(); end(text);
         enter({ keyCode: 13 }); up();",
    ),
    (
        "firefox",
        "enter({ keyCode: 229, key: 'Process', isComposing: true }); end(text); input(); up();",
    ),
    ("safari", "input(); end(text); enter({ keyCode: 229 }); up();"),
    (
        "windows",
        "enter({ keyCode: 229, key: 'Process', isComposing: true }); input(); end(text);
         await new Promise(later => setTimeout(later, 20));
         enter({ keyCode: 13 }); up();",
    ),
];

/// Composes this text behind another, and presses Enter as this browser tells it.
fn compose(browser: &Browser, before: &str, text: &str, order: &str) {
    let script = format!(
        "{COMPOSE} (async () => {{ const text = {text:?}; begin({before:?}, text); {order}
         setTimeout(done, 60); }})();"
    );
    browser.run_until_done(&script);
}

#[test]
#[ignore = "needs chromium"]
fn one_enter_sends_a_korean_line_once_and_whole() {
    let server = start(&[]);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("mina", server.address);
    for (name, order) in ORDERS {
        compose(&browser, &format!("{name}: 안녕하세"), "요", order);
        assert_eq!(browser.typed(), "", "{name}");
        // A single consonant, as in a laugh.
        compose(&browser, "ㅋㅋ", "ㅋ", order);
        other.send(format!("end of {name}\n"));
        other.read_until(&format!("guest1: end of {name}\n"));
        let heard = other.read_text();
        let said: Vec<&str> =
            heard.lines().filter_map(|line| line.strip_prefix("mina: ")).collect();
        assert_eq!(said, [&format!("{name}: 안녕하세요"), "ㅋㅋㅋ"]);
        other.forget();
    }
}

#[test]
#[ignore = "needs chromium"]
fn enter_only_confirms_japanese_and_chinese() {
    let server = start(&[]);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("mina", server.address);
    // In the order of `macOS` and `windows` a second Enter is one more press here.
    for (name, order) in ORDERS.into_iter().filter(|(_, order)| !order.contains("13 }); up")) {
        for (before, text) in
            [("", "こんにちは"), ("今日は", "日本"), ("", "你好"), ("你", "nihao")]
        {
            compose(&browser, before, text, order);
            assert_eq!(browser.typed(), format!("{before}{text}"), "{name}");
        }
        browser.run(&format!("{COMPOSE} enter({{ keyCode: 13 }}); up();"));
        assert_eq!(browser.typed(), "", "{name}");
        other.read_until("mina: 你nihao\n");
        assert!(!other.read_text().contains("日本"), "{name}");
        other.forget();
    }
}

#[test]
#[ignore = "needs chromium"]
fn enter_in_the_input_method_of_chromium_sends_korean() {
    let server = start(&[]);
    let (mut other, _) = server.join();
    let browser = Browser::open_as("mina", server.address);
    browser.run("document.getElementById('line').focus();");
    for text in ["ㅎ", "하", "한"] {
        browser.compose(text);
    }
    browser.end_composition("한");
    other.read_until("mina: 한\n");
    browser.wait_until("document.getElementById('line').value", "");
}
