// perf's stream kept beside the profile. When the spool is full the profile goes on without it, and that is told.
import { FailureError } from '../../proto/failure.js';
import { type ArtifactWriter, createArtifact } from '../spool/artifact.js';
import type { CaptureContext } from './capture-context.js';

export class RawRecording {
  readonly #context: CaptureContext;
  readonly #name: string;
  #writer: ArtifactWriter | undefined;

  private constructor(context: CaptureContext, name: string, writer: ArtifactWriter) {
    this.#context = context;
    this.#name = name;
    this.#writer = writer;
  }

  static async begin(context: CaptureContext, name: string, mediaType: string): Promise<RawRecording> {
    const writer = await createArtifact(context.capture.artifacts, name, mediaType, context.spool.reserve);
    return new RawRecording(context, name, writer);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#writer === undefined) return;
    try {
      await this.#writer.write(chunk);
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
      await this.discard();
      const detail = `${this.#name} was not kept: ${error.failure.message}`;
      this.#context.losses.push({ kind: 'out-of-budget', count: 1, detail });
    }
  }

  /** It can be fetched from now on. */
  async finish(): Promise<void> {
    if (this.#writer === undefined) return;
    const artifact = await this.#writer.finish();
    this.#writer = undefined;
    await this.#context.capture.log.append({ kind: 'artifact', artifact });
  }

  async discard(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.discard();
  }
}
