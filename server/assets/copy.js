import { make } from "./dom.js";

const PAUSE_MS = 2000;

/** Gives each command a button that copies it; without a clipboard the text can still be selected. */
export const offerCopies = () => {
  if (!navigator.clipboard) return;
  for (const command of document.querySelectorAll(".command")) {
    const button = make("button", { type: "button", class: "copy" }, "Copy");
    button.addEventListener("click", async () => {
      const done = await navigator.clipboard.writeText(command.querySelector("pre").textContent).then(
        () => "Copied",
        () => "Not allowed",
      );
      button.textContent = done;
      setTimeout(() => (button.textContent = "Copy"), PAUSE_MS);
    });
    command.append(button);
  }
};
