// What a host said that is not in the protocol. Host output is hostile input: it is never shown raw, only its shape is named.
import { CutoverError } from "../errors.ts";

/** The host, or whatever answers in its place, does not speak the protocol. Nothing it said is believed. */
export class ProtocolError extends CutoverError {
  constructor(problem: string, evidence?: string) {
    super({
      code: "host-protocol",
      message: `The host's answer is not in the protocol: ${problem}`,
      disposition: "retry",
      impact: "Its state is unknown; nothing that it said was used",
      remedy: "cutover host check HOST",
      ...(evidence === undefined ? {} : { evidence: JSON.stringify(evidence.slice(0, 200)) }),
    });
  }
}
