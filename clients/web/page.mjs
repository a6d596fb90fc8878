// The page for people: two devices that use wallet_sync.mjs as an application would.
import {Client, PasswordChanged, bytesOf, textOf} from "./wallet_sync.mjs";

const find = (selector, place = document) => place.querySelector(selector);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const linesOf = (bytes) => (bytes ? textOf(bytes).split("\n").filter((line) => line.trim()) : []);

// theirs, without the entries that we took out of what both had, and with those that we put in.
function merge(base, mine, theirs) {
    const [had, have, others] = [linesOf(base), linesOf(mine), linesOf(theirs)];
    const kept = others.filter((line) => have.includes(line) || !had.includes(line));
    const added = have.filter((line) => !had.includes(line) && !others.includes(line));
    return bytesOf([...kept, ...added].join("\n"));
}

class Device {
    #client = null;
    #listener = null;
    #saving = Promise.resolve();

    constructor(name) {
        this.name = name;
        this.place = find("#device").content.cloneNode(true).firstElementChild;
        this.text = find("textarea", this.place);
        this.online = find(".online input", this.place);
        find("h2", this.place).textContent = name;
        this.place.id = name.toLowerCase();
        this.place.setAttribute("aria-label", name);
        this.text.setAttribute("aria-label", `Wallet of the ${name.toLowerCase()}, an entry on each line`);
        for (const button of this.place.querySelectorAll("button")) {
            button.addEventListener("click", () => this.act(button.dataset.do));
        }
        this.online.addEventListener("change", () => this.#catchUp());
        find("#devices").append(this.place);
    }

    // What a button does; the outcome is told in the line of the state.
    async act(name) {
        this.place.setAttribute("aria-busy", "true");
        try {
            await this[name]();
            this.place.classList.remove("trouble");
        } catch (error) {
            this.#say(error.message);
            this.place.classList.add("trouble");
        } finally {
            this.place.removeAttribute("aria-busy");
        }
    }

    async signup() {
        this.#begin();
        this.#say("deriving keys, signing up …");
        if (!await this.#client.signup()) return this.#say("open the link in the mail, then log in");
        await this.#enter();
    }

    async login() {
        if (!this.#client || this.#ended) this.#begin();
        this.#say("deriving keys, logging in …");
        await this.#enter();
    }

    async save() {
        const saved = this.#save();
        this.#saving = saved.catch(() => {});
        await saved;
    }

    async #save() {
        const before = this.#client.known?.sequence ?? 0;
        this.#say("saving …");
        const {sequence, data} = await this.#client.saveWallet(bytesOf(this.text.value), merge);
        this.#show(data);
        this.#say(sequence > before + 1 ? `merged with what others saved, saved as ${sequence}` : `saved as ${sequence}`);
    }

    async password() {
        const next = `${find("#password").value}!`;
        const mine = bytesOf(this.text.value);
        this.#say("deriving new keys, encrypting the wallet anew …");
        const base = this.#client.known?.data ?? null;
        this.#listener?.close(); // the server ends all that were open before the change, ours too
        let wallet;
        try {
            wallet = await this.#client.changePassword(next);
        } finally {
            this.#listen();
        }
        find("#password").value = next;
        if (wallet) this.#show(merge(base, mine, wallet.data));
        this.#say("new password; all other devices are logged out");
    }

    #ended = false;

    #begin() {
        if (!find("#account").reportValidity()) throw new Error("an address and a password are needed");
        this.#listener?.close();
        this.#ended = false;
        this.#client = new Client(location.origin, find("#email").value, find("#password").value, this.name.toLowerCase(), {
            kdf: {n: 2 ** Number(find("#cost").value), r: 8, p: 1, saltDigits: 32},
            onRequest: (request) => this.#log(request),
        });
    }

    async #enter() {
        await this.#client.login();
        const wallet = await this.#client.getWallet();
        this.#show(wallet?.data ?? null);
        this.#enable(true);
        this.#say(wallet ? `logged in, at ${wallet.sequence}` : "logged in; nothing was saved yet");
        this.#listen();
    }

    #listen() {
        this.#listener?.close();
        const update = async (sequence) => {
            this.#event(`websocket: wallet-update:${sequence}`);
            await this.#saving; // what we are told may be our own
            if (sequence > (this.#client.known?.sequence ?? 0)) await this.#catchUp();
        };
        this.#listener = this.#client.listen(update, (error) => this.#end(error), (open) => {
            this.place.classList.toggle("listening", open);
            this.#event(open ? "websocket opened" : "websocket closed");
        });
    }

    #end(error) {
        this.#ended = true;
        this.#enable(false);
        this.#say(error instanceof PasswordChanged ? "logged out: the password was changed" : error.message);
        this.place.classList.add("trouble");
    }

    // Another device saved: its wallet is fetched, and what we have not saved yet is put on top of it.
    async #catchUp() {
        if (!this.online.checked || !this.#client || this.#ended || this.text.disabled) return;
        const base = this.#client.known;
        try {
            const wallet = await this.#client.getWallet();
            if (!wallet || wallet.sequence === base?.sequence) return;
            this.#show(merge(base?.data ?? null, bytesOf(this.text.value), wallet.data));
            this.#say(`at ${wallet.sequence}, as another device saved`);
            this.place.classList.add("news");
            setTimeout(() => this.place.classList.remove("news"), 1500);
        } catch (error) {
            this.#say(error.message);
        }
    }

    #enable(on) {
        const buttons = this.place.querySelectorAll('[data-do="save"], [data-do="password"]');
        for (const each of [this.text, ...buttons]) each.disabled = !on;
    }

    #show(data) {
        this.text.value = data ? textOf(data) : "";
    }

    #say(text) {
        find(".says", this.place).textContent = text;
    }

    #line(...parts) {
        const item = document.createElement("li");
        item.append(...parts);
        find("ol", this.place).prepend(item);
        return item;
    }

    #event(text) {
        const words = document.createElement("span");
        words.className = "event";
        words.textContent = text;
        this.#line(words);
    }

    #log({method, path, sent, status, got}) {
        const details = document.createElement("details"), summary = document.createElement("summary");
        const code = document.createElement("span"), body = document.createElement("pre");
        code.className = "status";
        code.textContent = status || "no answer";
        summary.append(`${method} /api/3${path.split("?")[0]} `, code);
        const shown = (word, fields) => (fields ? `${word} ${JSON.stringify(fields, null, 1)}\n` : "");
        body.textContent = shown("sent", sent) + shown("got", got);
        details.append(summary, body);
        this.#line(details).className = status >= 200 && status < 400 ? "" : "failed";
    }

    leave() {
        this.#listener?.close();
        this.place.remove();
    }
}

let phone, laptop;

function anew() {
    phone?.leave();
    laptop?.leave();
    [phone, laptop] = [new Device("Phone"), new Device("Laptop")];
    find("#account").reset();
    find("#email").value = `ann-${Math.random().toString(36).slice(2, 8)}@example.com`;
    find("#caption").textContent = "";
}

async function until(condition) {
    for (let tries = 0; !condition(); tries++) {
        if (tries > 600) throw new Error("that took too long; is the server there?");
        await pause(50);
    }
}

function write(device, line) {
    device.text.value = [device.text.value, line].filter(Boolean).join("\n");
}

// Each step: what a person reads, and what is done meanwhile.
const STORY = [
    ["The phone makes an account and logs in. A key for the server and a key for signing come from the password.",
        () => phone.act("signup")],
    ["The laptop logs in: with the salt seed that the server keeps, it derives the same keys.", () => laptop.act("login")],
    ["The phone saves its first wallet, and the laptop hears of it by its websocket.", async () => {
        write(phone, "rent 700");
        await phone.act("save");
        await until(() => laptop.text.value === phone.text.value);
    }],
    ["Now the laptop is not told, and both change something.", () => {
        laptop.online.checked = false;
        write(phone, "food 30");
        write(laptop, "books 20");
    }],
    ["The phone saves first …", () => phone.act("save")],
    ["… so the laptop's save is refused: 409. It reads, merges and saves again, and nothing is lost.", async () => {
        await laptop.act("save");
        laptop.online.checked = true;
        await until(() => phone.text.value === laptop.text.value);
    }],
    ["Both have all three entries. Click on a request to see what the server saw.", () => {}],
];

async function tell() {
    const button = find("#story"), caption = find("#caption");
    button.disabled = true;
    anew();
    try {
        for (const [words, action] of STORY) {
            caption.textContent = words;
            await Promise.all([action(), pause(new URLSearchParams(location.search).has("fast") ? 0 : 2500)]);
            for (const device of [phone, laptop]) {
                if (device.place.classList.contains("trouble")) throw new Error(find(".says", device.place).textContent);
            }
        }
        document.body.dataset.story = "told";
    } catch (error) {
        caption.textContent = `It stops here: ${error.message}`;
    } finally {
        button.disabled = false;
    }
}

find("#story").addEventListener("click", tell);
find("#account").addEventListener("submit", (event) => event.preventDefault());
find("#anew").addEventListener("click", anew);
anew();
