//! How the page looks: small and large screens, both colour schemes, and for all people.

use std::path::{Path, PathBuf};

use crate::browser::{Browser, ENTER};
use crate::support::{Client, Server};

fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(name)
}

/// A page that shows a talk, with the list of names open.
fn with_a_talk(server: &Server, lang: &str) -> (Browser, Vec<Client>) {
    let browser = Browser::start(lang);
    browser.visit(&format!("http://{}/#tea", server.address));
    browser.wait_until("document.getElementById('room').textContent", "#tea");
    browser.take_name("mina");
    let talkers = ["alice", "bob", "영희", "κώστας"].map(|name| {
        let (mut client, _) = server.join_from_elsewhere();
        client.send(format!("/nick {name}\n/join tea\n"));
        browser.wait_for_line(&format!("* {name} ("));
        client
    });
    let mut talkers = Vec::from(talkers);
    for (at, said) in [
        (0, "has anyone seen the kettle?"),
        (1, "it is on the stove, as ever"),
        (2, "ㅋㅋㅋ 물은 벌써 끓었어요. 다들 어서 오세요"),
        (3, "/me brings biscuits"),
        (0, "recipe: https://example.org/a/very/long/path/that/does/not/fit/on/a/phone?at=all"),
        (1, "/msg mina is there any milk left?"),
        (2, "a_very_long_word_without_any_blank_in_it_that_has_to_be_broken_somewhere_or_else"),
    ] {
        talkers[at].send(format!("{said}\n"));
        let end = said.rsplit(' ').next().unwrap();
        browser.wait_for_line(end);
    }
    browser.type_keys(&format!("on my way{ENTER}"));
    browser.wait_for_line("mina on my way");
    (browser, talkers)
}

/// Asserts that nothing is wider than the page, and that each target is large enough for a finger.
fn assert_fits(browser: &Browser, size: &str) {
    let wide =
        "[...document.querySelectorAll('*')].filter(it => it.scrollWidth > it.clientWidth + 1
        && it.clientWidth && getComputedStyle(it).display !== 'inline'
        && getComputedStyle(it).textOverflow !== 'ellipsis').map(it => it.outerHTML.slice(0, 80))";
    assert_eq!(browser.text(wide), "", "{size}");
    let root = "document.documentElement";
    assert_eq!(browser.text(&format!("{root}.scrollWidth <= innerWidth")), "true", "{size}");
    let small = "[...document.querySelectorAll('button, textarea, #choices li')].filter(it => {
        const { width, height } = it.getBoundingClientRect();
        return width && (width < 44 || height < 44);
    }).map(it => it.outerHTML)";
    assert_eq!(browser.text(small), "", "{size}");
    let font = "getComputedStyle(document.getElementById('line')).fontSize";
    assert_eq!(browser.text(font), "16px");
}

/// Asserts that each colour of a name can be read on each ground (WCAG 2.2, 1.4.3).
fn assert_names_are_readable(browser: &Browser, size: &str) {
    let poor = browser.run(
        "const canvas = document.createElement('canvas');
         const pen = canvas.getContext('2d', { willReadFrequently: true });
         const style = getComputedStyle(document.documentElement);
         const value = name => style.getPropertyValue(name);
         const luminance = colour => {
             pen.fillStyle = colour;
             pen.fillRect(0, 0, 1, 1);
             const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map(part =>
                 part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
             return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
         };
         const grounds = ['--back', '--raised'].map(name => luminance(value(name)));
         return Array.from({ length: 360 }, (_, hue) => hue).filter(hue => {
             const own = luminance(`oklch(${value('--light')} ${value('--chroma')} ${hue})`);
             return grounds.some(ground =>
                 (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05) < 4.5);
         });",
    );
    assert_eq!(poor.as_array().unwrap().len(), 0, "{size}: {poor}");
}

/// What the rules of axe-core find, all of them.
fn violations(browser: &Browser) -> String {
    let axe = std::fs::read_to_string(target("axe/node_modules/axe-core/axe.min.js"))
        .expect("scripts/test.sh fetches it");
    browser.run(&axe);
    let found = browser.run_until_done(
        "axe.run().then(found => done(found.violations.map(
            ({ id, nodes }) => `${id}: ${nodes.map(node => node.html + node.failureSummary)}`)));",
    );
    let found: Vec<&str> =
        found.as_array().unwrap().iter().map(|each| each.as_str().unwrap()).collect();
    found.join("\n")
}

#[test]
#[ignore = "needs chromium"]
fn it_fits_every_screen_and_is_for_all_people() {
    let server = Server::start(&[]);
    let (browser, _talkers) = with_a_talk(&server, "en");
    // The last one is a small window at 200 %.
    for (width, height) in [(320, 568), (1280, 800), (640, 360)] {
        for scheme in ["light", "dark"] {
            let size = format!("{width}-{scheme}");
            browser.look_like(width, height, scheme);
            assert_names_are_readable(&browser, &size);
            for stage in ["talk", "names", "choices"] {
                match stage {
                    "names" => _ = browser.run("document.getElementById('here').click();"),
                    "choices" => browser.type_keys("/"),
                    _ => {}
                }
                browser.run_until_done("requestAnimationFrame(() => setTimeout(done, 30));");
                assert_fits(&browser, &size);
                assert_eq!(violations(&browser), "", "{size}, {stage}");
                browser.save_picture(&target(&format!("screenshots/{size}-{stage}.png")));
            }
            browser.run("document.getElementById('here').click();");
            browser.type_keys("\u{e003}");
        }
    }
    browser.assert_no_complaint();
}

#[test]
#[ignore = "needs chromium"]
fn it_speaks_the_language_of_its_browser_and_of_its_server() {
    let server = Server::start(&["--lang", "ko"]);
    let browser = Browser::start("ko");
    browser.visit(&format!("http://{}/#다방", server.address));
    browser.wait_for_line("* 환영합니다, guest");
    browser.wait_for_line("* 다방 방입니다. 지금 1명이 있습니다");
    browser.wait_until("document.getElementById('here').textContent", "1명");
    assert_eq!(browser.text("document.documentElement.lang"), "ko");
    assert_eq!(browser.text("document.getElementById('send').textContent"), "보내기");
    browser.take_name("영희");
    browser.type_keys("/ms");
    let offered = "[...document.querySelectorAll('#choices li')].map(li => li.innerText)";
    browser.wait_until(offered, "/msg 이름 글 한 사람에게만 말하기");
    browser.look_like(320, 568, "dark");
    browser.save_picture(&target("screenshots/320-korean.png"));
    browser.assert_no_complaint();
}
