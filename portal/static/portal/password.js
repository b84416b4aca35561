// Ticks off the rules of a new password while it is typed.  Nothing leaves the page: the server
// judges again when the form is sent, and it alone decides.

const CHECKS = {
  min_length: (password, value) => [...password].length >= Number(value),
  max_length: (password, value) => password !== "" && [...password].length <= Number(value),
  characters: (password) => password !== "" && /^[\x20-\x7e]*$/.test(password),
  classes: (password, value) =>
    [/[A-Z]/, /[a-z]/, /[0-9]/, /[^\p{L}\p{N}]/u].filter((one) => one.test(password)).length >=
    Number(value),
  user_name: (password, value) =>
    password !== "" &&
    !value.split(" ").some((name) => password.toLowerCase().includes(name)),
};
const QUIET_MS = 800; // how long typing rests before a screen reader hears of it

function watch(root) {
  const [first, second] = root.querySelectorAll("input");
  const rules = [...root.querySelectorAll("[data-rule]")];
  const news = root.querySelector("[data-news]");
  let timer;

  function judge() {
    let open = 0;
    for (const rule of rules) {
      const isMet = CHECKS[rule.dataset.rule](first.value, rule.dataset.value);
      rule.classList.toggle("rule-met", isMet);
      rule.querySelector("[data-state]").textContent = `${isMet ? root.dataset.met : root.dataset.open}: `;
      open += isMet ? 0 : 1;
    }
    clearTimeout(timer);
    timer = setTimeout(() => tell(open), QUIET_MS);
  }

  function tell(open) {
    if (!first.value) {
      news.textContent = "";
    } else if (open) {
      news.textContent = `${root.dataset.left}: ${open}`;
    } else if (!second.value) {
      news.textContent = root.dataset.allMet;
    } else {
      news.textContent = first.value === second.value ? root.dataset.same : root.dataset.different;
    }
  }

  const button = document.createElement("button");
  button.type = "button";
  button.className = "link show-password";
  button.setAttribute("aria-pressed", "false");
  button.textContent = root.dataset.show;
  button.addEventListener("click", () => {
    const isShown = first.type === "text";
    first.type = second.type = isShown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!isShown));
  });
  second.closest(".field").after(button);
  // What is shown is hidden again before it leaves, so that no browser remembers it as text.
  root.closest("form").addEventListener("submit", () => {
    first.type = second.type = "password";
  });
  first.addEventListener("input", judge);
  second.addEventListener("input", judge);
  judge();
}

document.querySelectorAll("[data-password-rules]").forEach(watch);
