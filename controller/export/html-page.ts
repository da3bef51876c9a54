// One HTML page that needs nothing else, whatever it is about: head, links to its sections, sections, and what it may not do.
import { createHash } from 'node:crypto';
import type { ExportParts } from './exporter.js';
import { type Html, html } from './html-text.js';
import type { ReportSection } from './report.js';
import { REPORT_STYLE } from './report-style.js';
import { CHART_STYLE } from './svg/chart-style.js';
import { FLAME_GRAPH_SCRIPT } from './svg/flame-graph-script.js';

export interface HtmlPage {
  readonly title: string;
  readonly subtitle: string | undefined;
  /** Program and version. */
  readonly generator: string;
  /** Above and below the links to the sections. */
  readonly beforeLinks: Html;
  readonly afterLinks: Html;
  readonly sections: readonly ReportSection[];
}

/**
 * The page, section by section. Its content security policy forbids the browser everything but the flame graph's own script, known by its
 * hash: no network, no forms. Whatever texts say, they are texts.
 */
export function* htmlPage(page: HtmlPage): ExportParts {
  const links = page.sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>\n`);
  yield html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="${page.generator}">
<title>${page.title}</title>
<style>${raw(REPORT_STYLE)}${raw(CHART_STYLE)}</style>
</head>
<body>
<main>
<h1>${page.title}</h1>
<p class="lead">${page.subtitle}</p>
${page.beforeLinks}<nav aria-label="sections">
${links}</nav>
${page.afterLinks}`.html;
  for (const { id, title, body } of page.sections) {
    yield html`<section id="${id}"><h2>${title}</h2>\n${body}</section>\n`.html;
  }
  yield html`<footer>${page.generator}. This page holds all its data and loads nothing.</footer>\n</main>\n</body>\n</html>\n`
    .html;
}

const POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${createHash('sha256').update(FLAME_GRAPH_SCRIPT).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Constant text of ours. */
function raw(text: string): Html {
  return { html: text };
}
