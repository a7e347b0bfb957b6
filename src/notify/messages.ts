/** What we say by SMS. Kept within one GSM-7 segment (160 characters) where facts allow. */

export type Message =
  | { readonly template: 'otp'; readonly otp: string }
  | {
      readonly template: 'offer';
      readonly title: string;
      readonly centre: string;
      readonly date: string;
      readonly from: string;
      readonly confirmBy: string;
    }
  | {
      readonly template: 'carried' | 'standing-over';
      /** Of the release that it was entered in, or would have been. */
      readonly title: string;
      readonly until: string;
    };

export function textOf(message: Message): string {
  switch (message.template) {
    case 'otp':
      return `${message.otp} is your OTP to sign in. It is valid for 3 minutes. Tell it to nobody.`;
    case 'offer':
      return `${message.title}: a seat for you at ${message.centre}, ${message.date} ${message.from}. Confirm by ${message.confirmBy}.`;
    case 'carried':
      return `${message.title}: you are entered, as you asked for until ${message.until}. Withdraw at any time.`;
    case 'standing-over':
      return `${message.title}: you are no longer entered by yourself, as you asked for until ${message.until}. Enter again if you like.`;
  }
}
