/** What we say by SMS. Kept within one GSM-7 segment (160 characters) where facts allow. */

/** Where and when somebody is expected. */
export type Place = { readonly centre: string; readonly date: string; readonly from: string };

export type Message =
  | { readonly template: 'otp'; readonly otp: string }
  | ({
      readonly template: 'offer';
      readonly title: string;
      readonly confirmBy: string;
    } & Place)
  /** An operator's change took a seat, and its round gave another. */
  | {
      readonly template: 'moved';
      readonly title: string;
      readonly lost: Place;
      readonly offered: Place;
      readonly confirmBy: string;
    }
  /** An operator's change took a seat, and its round had no other. */
  | {
      readonly template: 'displaced';
      readonly title: string;
      readonly lost: Place;
      /** Whether there may be a next round, in which they come first. */
      readonly waits: boolean;
    }
  | {
      readonly template: 'carried' | 'standing-over';
      /** Of the release that it was entered in, or would have been. */
      readonly title: string;
      readonly until: string;
    };

const at = ({ centre, date, from }: Place): string => `${centre}, ${date} ${from}`;

export function textOf(message: Message): string {
  switch (message.template) {
    case 'otp':
      return `${message.otp} is your OTP to sign in. It is valid for 3 minutes. Tell it to nobody.`;
    case 'offer':
      return `${message.title}: a seat for you at ${at(message)}. Confirm by ${message.confirmBy}.`;
    case 'moved':
      return `${message.title}: your appointment at ${at(message.lost)} cannot take place. You are offered ${at(message.offered)}. Confirm by ${message.confirmBy}.`;
    case 'displaced':
      return `${message.title}: your appointment at ${at(message.lost)} cannot take place. ${message.waits ? 'You are first in the next round.' : 'There is no other seat for you in this release.'}`;
    case 'carried':
      return `${message.title}: you are entered, as you asked for until ${message.until}. Withdraw at any time.`;
    case 'standing-over':
      return `${message.title}: you are no longer entered by yourself, as you asked for until ${message.until}. Enter again if you like.`;
  }
}
