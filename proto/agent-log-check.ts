// Judges an agent's whole audit log, line by line: the chain, its beginning, and what is known of it from earlier.
import { ChainCheck, type ChainEnd, type ChainReport, lineHash, parseLine } from './audit-chain.js';

export class AgentLogCheck {
  readonly #chain = new ChainCheck();
  readonly #known: ChainEnd | undefined;
  #first = 0;
  #expired = 0;
  #knownHash: string | undefined;

  /** @param known an entry as it was seen earlier: it must still be there, or have been deleted after its time */
  constructor(known?: ChainEnd) {
    this.#known = known;
  }

  push(line: string): void {
    const entry = parseLine(line);
    if (entry !== undefined) {
      if (this.#first === 0) this.#first = entry.sequence;
      if (entry.event === 'expired' && typeof entry.fields.upTo === 'number') this.#expired = entry.fields.upTo;
      if (entry.sequence === this.#known?.sequence) this.#knownHash = lineHash(line);
    }
    this.#chain.push(line);
  }

  /** @param head where the agent says that the log ends */
  end(head: ChainEnd | undefined): ChainReport {
    const report = this.#chain.end(head);
    const problems: string[] = [];
    if (this.#first > 1 && this.#first !== this.#expired + 1) {
      const deleted = `only entries up to ${this.#expired} were deleted after their time`;
      problems.push(`the log begins at entry ${this.#first}, but ${deleted}`);
    }
    const known = this.#known;
    const isExpired = known !== undefined && known.sequence <= this.#expired;
    if (known !== undefined && known.sequence > 0 && !isExpired && this.#knownHash !== known.hash) {
      problems.push(
        this.#knownHash === undefined
          ? `entry ${known.sequence}, which was there when the log was verified before, is gone`
          : `entry ${known.sequence} is not the one that was there when the log was verified before`,
      );
    }
    return { ...report, problems: [...problems, ...report.problems] };
  }
}
