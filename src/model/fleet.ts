// Fleet: the machines, how to reach them, and which components live on each.
import { z } from "zod";
import { ComponentName, HostName } from "./names.ts";

export const Host = z
  .strictObject({
    name: HostName,
    address: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$/, "a host name or an IP address")
      .describe("Where its sshd listens"),
    port: z.int().min(1).max(65_535).default(22),
    user: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]{0,31}$/, "a Unix user name")
      .default("cutover")
      .describe("The account that enrolment made"),
    hostKeys: z
      .array(
        z
          .string()
          .regex(
            /^(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+$/,
            "a public host key as in /etc/ssh/ssh_host_*_key.pub, without the comment",
          ),
      )
      .min(1)
      .describe("Pinned: a host that shows any other key is not talked to"),
    labels: z
      .record(z.string(), z.string())
      .default({})
      .describe("Free labels such as role, site, region; selectors match them"),
    components: z.array(ComponentName).default([]).describe("Components that live on this host"),
  })
  .meta({ id: "Host", description: "A machine reached over SSH" });
export type Host = z.infer<typeof Host>;

/** Declared capacity: it holds over all runs together, so that projects which know nothing of each other spare a group. */
export const SwitchLimit = z
  .strictObject({
    match: z
      .record(z.string(), z.string())
      .refine((labels) => Object.keys(labels).length > 0, "at least one label")
      .meta({ minProperties: 1, description: "Labels that a host must carry, all of them" }),
    hosts: z
      .int()
      .min(1)
      .max(20_000)
      .describe("So many of these hosts may be in a switch at the same time, over all runs; a way back does not wait"),
  })
  .meta({ id: "SwitchLimit", description: "How many hosts of a group may switch at a time" });
export type SwitchLimit = z.infer<typeof SwitchLimit>;

export const Fleet = z
  .strictObject({
    apiVersion: z.literal("cutover/v1"),
    kind: z.literal("Fleet"),
    name: z.string().min(1).max(63).default("fleet"),
    hosts: z.array(Host).max(20_000),
    limits: z.array(SwitchLimit).max(100).optional().describe("Capacity that all runs together leave in service"),
  })
  .meta({ id: "Fleet", description: "The machines that releases go to" });
export type Fleet = z.infer<typeof Fleet>;
