// Budgets on the command line: what is asked for, and how cost against budget is shown while a job runs and afterwards.
import { beforeEach, describe, expect, it } from 'vitest';
import { jobHtmlReport } from '../../../controller/cli/html-report.js';
import { reportHtml } from '../../../controller/export/report-html.js';
import type { BudgetAccount } from '../../../proto/budget.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { FakeApp, jobOf, run, runOf } from './fake-app.js';

const ACCOUNT: BudgetAccount = {
  limits: { cpuPercent: 1, memoryBytes: 512 * 1024 ** 2, spoolBytes: 0 },
  ...{ cpuCount: 4, allowedCpu: 2400, recordingCpu: 600, recording: 10_000, overBudget: '' },
};
const OVER = '2.6 s of CPU time were used after 7.1 s, 2.4 s are allowed';
const SHOWN = "1.5 % of this host's CPU (600 ms of 2.4 s; budget 1 %)";

function costly(host: string, change: Partial<BudgetAccount> = {}) {
  const { cost } = runOf(host);
  if (cost === undefined) throw new Error('a run without its cost');
  return runOf(host, { cost: { ...cost, budget: { ...ACCOUNT, ...change } } });
}

let app: FakeApp;
beforeEach(() => {
  app = new FakeApp();
  app.merged = drawProfile('main;touch 5');
  app.ofHost = app.merged;
  app.runs = [costly('web1'), costly('web2', { overBudget: OVER, recordingCpu: 2600, recording: 7100 })];
});

describe('--budget', () => {
  it.each(['record', 'stat', 'stap runq-latency', 'faults'])('%s asks for it', async (command) => {
    const line = [...command.split(' '), '--budget', 'cpu=0.5%,memory=256M', '--even-if-busy'];
    expect(await run(line, { app })).toMatchObject({ code: 0 });
    expect(app.submitted?.spec).toMatchObject({
      budget: { cpuPercent: 0.5, memoryBytes: 256 * 1024 ** 2 },
      evenIfBusy: true,
    });
    expect(app.submitted?.spec).not.toHaveProperty('budget.spoolBytes');
  });

  it('when left out leaves it to the hosts', async () => {
    await run(['record'], { app });
    expect(app.submitted?.spec).not.toHaveProperty('budget');
    expect(app.submitted?.spec).not.toHaveProperty('evenIfBusy');
  });

  it('that is none is refused, with what can be written', async () => {
    const { code, stderr } = await run(['record', '--budget', '1'], { app });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--budget: "1" is no share of the host's CPUs, such as 1%; write 1%, or cpu=2%/);
  });
});

describe('cost against budget', () => {
  it('is in the progress of a job', async () => {
    app.during = async ({ onEvent }) => {
      onEvent({ kind: 'host-run', run: { ...costly('web1'), state: 'running', captureState: 'running' } });
    };
    expect((await run(['record'], { app })).stderr).toContain(
      `web1: running  1.0 s, 1,234 samples, 4.00 KiB, ${SHOWN}`,
    );
  });

  it('is in jobs show, with the mark of who was ended for it', async () => {
    const { stdout, code } = await run(['jobs', 'show', 'job1'], { app });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^web1 +succeeded .* 600 ms of 2\.4 s /m);
    expect(stdout).toMatch(
      /^web2 +succeeded .* 2\.6 s of 2\.4 s .* over budget: 2\.6 s of CPU time were used after 7\.1 s/m,
    );
  });

  it('is in show, as text and as JSON', async () => {
    const { stdout } = await run(['show', 'job1'], { app });
    const lines = stdout.trim().split('\n').slice(-2);
    expect(lines[0]).toMatch(/^web2: it cost .*; ended over budget: 2\.6 s of CPU time/);
    expect(lines[1]).toBe(`web1: it cost ${SHOWN}`);
    const { cost } = JSON.parse((await run(['show', 'job1', '--host', 'web1', '--json'], { app })).stdout);
    expect(cost).toEqual({ web1: expect.objectContaining({ budget: ACCOUNT }) });
  });

  it('is in the JSON of a job', async () => {
    const { hosts } = JSON.parse((await run(['jobs', 'show', 'job1', '--json'], { app })).stdout);
    expect(hosts[1].cost.budget).toEqual({ ...ACCOUNT, overBudget: OVER, recordingCpu: 2600, recording: 7100 });
  });

  it('is in the report', async () => {
    const words = { title: 'Faults', version: '1', notes: [] };
    const html = [...reportHtml(await jobHtmlReport(app, jobOf('succeeded'), words))].join('');
    expect(html).toContain(SHOWN.replace("'", '&#39;'));
    expect(html).toContain(`over budget: ${OVER}`);
  });
});
