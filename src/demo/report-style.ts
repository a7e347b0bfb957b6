/** The report's style sheet. Colours after Okabe and Ito, told apart with every common kind of colour blindness. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1a2027; --soft: #59636e; --rule: #e4e1da;
  --citizen: #0a6cb0; --bot: #d0530a; --immediate: #8a4594; --lottery: #007a5e;
  --free: #dcd9d1; --on-mark: #ffffff; --code: #f3f1ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #111418; --card: #191d23; --ink: #eceae6; --soft: #a3abb5; --rule: #2c323a;
    --citizen: #5db4f0; --bot: #f58a45; --immediate: #cf96d8; --lottery: #3cc49c;
    --free: #3a4149; --on-mark: #10151a; --code: #20252c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
main { max-width: 1120px; margin: 0 auto; padding: 48px 24px 64px; }
.eyebrow { margin: 0 0 8px; color: var(--soft); font-size: 14px; letter-spacing: .02em; }
h1 { margin: 0 0 16px; font-size: clamp(30px, 5vw, 46px); line-height: 1.1; letter-spacing: -.02em; }
h2 { margin: 48px 0 4px; font-size: 24px; line-height: 1.25; letter-spacing: -.01em; }
h3 { margin: 0 0 4px; font-size: 16px; }
p { margin: 0 0 12px; max-width: 70ch; }
.lead { font-size: 19px; line-height: 1.5; max-width: 60ch; }
.soft, figcaption { color: var(--soft); font-size: 14px; }
.bot { color: var(--bot); } .citizen { color: var(--citizen); }
.immediate { color: var(--immediate); } .lottery { color: var(--lottery); }
.grid { display: grid; gap: 20px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); margin-top: 16px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 20px 22px; margin: 0; min-width: 0; }
.headline { display: grid; gap: 8px 40px; grid-template-columns: minmax(0, 5fr) minmax(0, 8fr); align-items: center; margin-top: 28px; padding: 28px 30px; }
.worth { display: grid; gap: 18px; }
.worth b { display: block; font-size: clamp(44px, 6vw, 60px); line-height: 1; letter-spacing: -.03em; }
.worth span { display: block; margin-top: 6px; color: var(--soft); font-size: 15px; line-height: 1.4; }
@media (max-width: 760px) {
  main { padding: 28px 16px 48px; }
  .headline { grid-template-columns: 1fr; padding: 20px 18px; }
  .worth { grid-template-columns: 1fr 1fr; margin-bottom: 12px; }
  .card { padding: 16px; }
}
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 13px; fill: var(--ink); }
svg .tick, svg .label, svg .note { fill: var(--soft); font-size: 12px; }
svg .strong { font-weight: 650; }
svg .inside { fill: var(--on-mark); font-weight: 650; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .mark { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 3 3; }
svg .range { stroke: var(--ink); stroke-width: 1.5; }
svg .fill-bot { fill: var(--bot); } svg .fill-citizen { fill: var(--citizen); }
svg .fill-booked { fill: var(--lottery); } svg .fill-offered { fill: var(--lottery); opacity: .45; } svg .fill-free { fill: var(--free); }
svg .fill-bot.refused, svg .fill-citizen.refused { opacity: .6; }
svg .fill-bot.limited, svg .fill-citizen.limited { opacity: .28; }
svg .fill-immediate { fill: var(--immediate); } svg .fill-lottery { fill: var(--lottery); }
svg .line-immediate { stroke: var(--immediate); } svg .line-lottery { stroke: var(--lottery); }
svg .line-bot { stroke: var(--bot); } svg .line-citizen { stroke: var(--citizen); }
svg .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
svg .whisker { stroke-width: 1.25; opacity: .55; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 10px; padding: 0; list-style: none; font-size: 14px; color: var(--soft); }
.key i { display: inline-block; width: 12px; height: 12px; margin-right: 7px; border-radius: 3px; vertical-align: -1px; background: currentColor; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th, td { padding: 8px 10px; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.digest { text-align: left; font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; word-break: break-all; min-width: 260px; }
th.digest { text-align: left; }
tr:last-child td { border-bottom: 0; }
pre { margin: 8px 0 16px; padding: 14px 16px; border-radius: 8px; background: var(--code); font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; word-break: break-word; }
ol, ul { margin: 0 0 12px; padding-left: 1.3em; max-width: 72ch; } li { margin: 0 0 6px; }
.kept { color: var(--lottery); font-weight: 650; } .broken { color: var(--bot); font-weight: 650; }
footer { margin-top: 48px; padding-top: 16px; border-top: 1px solid var(--rule); }
`;
