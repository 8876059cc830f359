// A row of the conformance matrix: a skeleton or a real server under a strategy, the traffic that goes through its switches, and
// the grade that it promises. Files in rows/ export `rows: readonly Row[]`; nothing else has to be told of them.
import type { Lab, LabHost } from "../../../src/lab/lab.ts";
import type { MeterSummary } from "../../../src/lab/meter/meter-report.ts";
import type { Traffic } from "../../../src/lab/meter/traffic.ts";
import type { Grade } from "../../../src/model/grade.ts";
import type { Contract } from "../../support/with-home.ts";

/** Where a row runs. */
export interface Place {
  /** Three ports that are free on the row's hosts: always 8080, 8081 and 8082 on systemd hosts, any others in the loopback lab. */
  readonly ports: readonly [number, number, number];
  /** Scratch space outside of every host, the same for both versions. */
  readonly directory: string;
}

/** A version of a component: its tree is written for the first time when it is published. */
export interface Build {
  readonly version: string;
  /** B is to be another program than A where there are two of it, such as Debian's newer nginx; one that is taken back counts as B. */
  readonly which: "A" | "B";
  /** Exists and is empty. */
  readonly directory: string;
  readonly place: Place;
}

export interface RowComponent {
  /** The whole Component document; see `documentOf` for those in deploy/. */
  contract(place: Place): Promise<Contract>;
  /** Writes the tree of a version. It must differ from version to version. */
  build(build: Build): Promise<void>;
  /** Holds the executables of its tasks. */
  readonly bundle?: string;
  /** Unit files by name, put on its hosts before anything is installed; those with an [Install] section are enabled. */
  readonly units?: Readonly<Record<string, string>>;
}

export interface RowBeside extends RowComponent {
  /** A name of `Row.hosts`. Installed together with A of the row's component, and never switched. */
  readonly host: string;
}

/** Measures what the meter cannot send, such as jobs of a queue; begun once the first version serves. */
export interface RowMeter {
  /** Resolves once something was answered. */
  answered(withinMs: number): Promise<void>;
  /** It measures no more, though nobody stopped it. */
  hasEnded(): boolean;
  /** The same summary however often it is asked. */
  stop(): Promise<MeterSummary<string>>;
}

export interface Row extends RowComponent {
  /** Of the file and the report: `shop-exec`. */
  readonly name: string;
  /** Below deploy/: `skeletons/node-cluster`, `components/shop`. */
  readonly of: string;
  /** As the contract has it; the harness compares. */
  readonly strategy: string;
  readonly manager: "systemd" | "process";
  /** `loopback`: user mode, hosts are directories of this machine and see its programs. `systemd`: whole Debian hosts, as root. */
  readonly lab: Lab["kind"];
  /** A version has tens of megabytes, which takes its time to pack, to send and to patch. */
  readonly isLarge?: boolean;
  /** What `traffic` must measure at least, and what the contract declares: the harness compares, but for `declares`. */
  readonly grade: Grade;
  /** The contract declares another grade than this row must measure, and why both are right. */
  readonly declares?: { readonly grade: Grade; readonly because: string };
  /** A group `version` in a body's pattern yields the version as it was published: after each switch that is looked at. */
  traffic(place: Place): readonly Traffic[];
  /** In the place of the meter, `rate` times as much as usual; `traffic` is empty then. */
  meter?(place: Place, rate: number): RowMeter;
  /** One host unless it says otherwise; on systemd hosts these names resolve. */
  readonly hosts?: readonly string[];
  /** Those that have the component, the first of `hosts` among them; that one alone unless it says otherwise. */
  readonly on?: readonly string[];
  readonly beside?: readonly RowBeside[];
  /** Where clients go; the first host unless it says otherwise. */
  readonly front?: string;
  /** More Debian packages in the base image of its hosts. It is kept, but costs a minute once: prefer files in the tree. */
  readonly packages?: readonly string[];
  /** What there is beside its hosts as long as the row runs, such as a broker. */
  around?<T>(place: Place, body: () => Promise<T>): Promise<T>;
  /** What an operator does on each host before the first release. */
  setUp?(host: LabHost, place: Place): Promise<void>;
}
