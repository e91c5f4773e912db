//! How the page looks: small and large screens, both colour schemes, and for all people.

use std::path::{Path, PathBuf};

use crate::start;
use crate::support::browser::{Browser, ENTER, save_base64};
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
    let poor = browser.texts(
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
         }).map(String);",
    );
    assert!(poor.is_empty(), "{size}: {poor:?}");
}

/// What the rules of axe-core find, all of them.
fn violations(browser: &Browser) -> String {
    let axe = std::fs::read_to_string(target("axe/node_modules/axe-core/axe.min.js"))
        .expect("scripts/test.sh fetches it");
    browser.run(&axe);
    browser.run_until_done(
        "axe.run().then(found => done(found.violations.map(({ id, nodes }) =>
            `${id}: ${nodes.map(node => node.html + node.failureSummary)}`).join('\\n')));",
    )
}

#[test]
#[ignore = "needs chromium"]
fn it_fits_every_screen_and_is_for_all_people() {
    let server = start(&[]);
    let (browser, _talkers) = with_a_talk(&server, "en");
    // The last one is a small window at 200 %.
    for (width, height) in [(320, 568), (1280, 800), (640, 360)] {
        for scheme in ["light", "dark"] {
            let size = format!("{width}-{scheme}");
            browser.look_like(width, height, scheme);
            assert_names_are_readable(&browser, &size);
            for stage in ["talk", "names", "choices"] {
                match stage {
                    "names" => browser.run("document.getElementById('here').click();"),
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
    let server = start(&["--lang", "ko"]);
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

/// Puts `pictures` side by side into one with few colours (PNG, third edition).
const JOIN: &str = "
    const GAP = 24, COLOURS_MAX = 32;
    const images = pictures.map(picture =>
        Object.assign(new Image(), { src: 'data:image/png;base64,' + picture }));
    Promise.all(images.map(image => image.decode())).then(async () => {
        const width = images.reduce((sum, image) => sum + image.width + GAP, -GAP);
        const height = images[0].height;
        const pen = new OffscreenCanvas(width, height).getContext('2d');
        pen.fillStyle = 'white';
        pen.fillRect(0, 0, width, height);
        images.forEach((image, at) => pen.drawImage(image, at * (image.width + GAP), 0));
        const bytes = pen.getImageData(0, 0, width, height).data;
        const pixels = Array.from({ length: width * height }, (_, at) =>
            bytes[4 * at] << 16 | bytes[4 * at + 1] << 8 | bytes[4 * at + 2]);
        const counts = new Map();
        for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
        const colours = [...counts].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
        const palette = colours.slice(0, COLOURS_MAX);
        const parts = colour => [colour >> 16, colour >> 8 & 255, colour & 255];
        const distance = (one, other) =>
            parts(one).reduce((sum, part, at) => sum + (part - parts(other)[at]) ** 2, 0);
        const nearest = new Map(colours.map(colour => [colour, palette.reduce((best, _, at) =>
            distance(colour, palette[at]) < distance(colour, palette[best]) ? at : best, 0)]));
        const rows = new Uint8Array(height * (width + 1));
        pixels.forEach((pixel, at) =>
            rows[at + 1 + Math.floor(at / width)] = nearest.get(pixel));
        const deflate = new CompressionStream('deflate');
        const packed = new Response(new Blob([rows]).stream().pipeThrough(deflate));
        const number = value => [24, 16, 8, 0].map(shift => value >>> shift & 255);
        const crc = bytes => ~bytes.reduce((sum, byte) => {
            sum ^= byte;
            for (let bit = 0; bit < 8; bit += 1) sum = sum >>> 1 ^ (sum & 1 && 0xedb88320);
            return sum;
        }, -1);
        const chunk = (name, data) => {
            const named = [...new TextEncoder().encode(name), ...data];
            return [...number(data.length), ...named, ...number(crc(named))];
        };
        const file = [
            0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a,
            ...chunk('IHDR', [...number(width), ...number(height), 8, 3, 0, 0, 0]),
            ...chunk('PLTE', palette.flatMap(parts)),
            ...chunk('IDAT', new Uint8Array(await packed.arrayBuffer())),
            ...chunk('IEND', []),
        ];
        done(btoa(file.map(byte => String.fromCharCode(byte)).join('')));
    });";

/// Phones in both schemes, beside each other: `scripts/results/README.md` tells what it is for.
#[test]
#[ignore = "needs chromium"]
fn a_picture_of_two_phones_is_small() {
    const BYTES_MAX: u64 = 40_000;
    let (width, height) = (390, 380);
    let server = start(&["--hide-addresses"]);
    let browser = Browser::open_as("mina", server.address);
    let mut talkers = ["alice", "영희", "bob"].map(|name| {
        let (mut client, _) = server.join_from_elsewhere();
        client.send(format!("/nick {name}\n"));
        browser.wait_for_line(&format!(" is now {name}"));
        client
    });
    browser.run("document.getElementById('log').textContent = lastTime = '';");
    for (at, said) in [
        (0, "has anyone seen the kettle?"),
        (1, "주전자요? 물은 벌써 끓었어요 ㅎㅎ"),
        (2, "I am on nc: no browser, no account"),
        (1, "저는 휴대폰이에요. 다들 차 한잔해요!"),
        (2, "/msg mina is there any milk left?"),
    ] {
        talkers[at].send(format!("{said}\n"));
        browser.wait_for_line(said.rsplit(' ').next().unwrap());
    }
    browser.type_keys(&format!("네, 우유도 있어요. On my way{ENTER}"));
    browser.wait_for_line("On my way");
    let pictures = ["light", "dark"].map(|scheme| {
        browser.look_like(width, height, scheme);
        browser.hide_scrollbars();
        browser.run("document.activeElement.blur();");
        browser.run_until_done("requestAnimationFrame(() => setTimeout(done, 30));");
        browser.picture()
    });
    browser.visit("about:blank");
    let joined = browser.run_until_done(&format!("const pictures = {pictures:?};{JOIN}"));
    let path = target("screenshots/page.png");
    save_base64(&joined, &path);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}
