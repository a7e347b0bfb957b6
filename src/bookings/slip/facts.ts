/** What stands on an appointment slip. Nothing else does: whoever makes one needs no Redis. */

export type SlipPerson = {
  /** In any script, as it was registered. */
  readonly name: string;
  readonly birthYear: number;
  /** In words, such as `Driving licence`. */
  readonly idType: string;
  /** All but the last four characters hidden: `XXXX9999`. */
  readonly idMasked: string;
  /** Another number under which the person is known, where there is one. */
  readonly reference?: string;
};

export type SlipFacts = {
  /** Of the release. */
  readonly title: string;
  /** One to four, the lead first. */
  readonly people: readonly SlipPerson[];
  readonly service: string;
  readonly dose: number;
  readonly centre: string;
  /** Where the centre is, line by line; empty where that is not known. */
  readonly place: readonly string[];
  /** YYYY-MM-DD. */
  readonly date: string;
  /** HH:MM, as `to`. */
  readonly from: string;
  readonly to: string;
  readonly bookingId: string;
  readonly securityCode: string;
};
