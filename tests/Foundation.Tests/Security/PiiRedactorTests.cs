using System.Globalization;
using Kotonoha.Foundation.Security;

namespace Kotonoha.Foundation.Tests.Security;

public class PiiRedactorTests
{
    [Theory]
    [InlineData("Mail taro.yamada+shop@example.co.jp, please.", "Mail [EMAIL_1], please.")]
    [InlineData("連絡先：taro＠example．jpまで", "連絡先：[EMAIL_1]まで")]
    [InlineData("Call +81 3-1234-5678 or +1 (212) 555-0123.", "Call [PHONE_1] or [PHONE_2].")]
    [InlineData("電話は090-1234-5678、会社は（03）1234-5678です。", "電話は[PHONE_1]、会社は[PHONE_2]です。")]
    [InlineData("電話：０９０－１２３４－５６７８", "電話：[PHONE_1]")]
    [InlineData("携帯 09012345678", "携帯 [PHONE_1]")]
    [InlineData("Call (212) 555-0123 or 212-555-0199", "Call [PHONE_1] or [PHONE_2]")]
    [InlineData("Card 4111 1111 1111 1111 and 378282246310005.", "Card [CARD_1] and [CARD_2].")]
    [InlineData("IBAN DE89 3704 0044 0532 0130 00, GB82WEST12345698765432", "IBAN [IBAN_1], [IBAN_2]")]
    [InlineData("マイナンバーは123456789018です", "マイナンバーは[MY_NUMBER_1]です")]
    [InlineData("１２３４－５６７８－９０１８", "[MY_NUMBER_1]")]
    [InlineData("〒100-0001 東京都千代田区", "[POSTAL_CODE_1] 東京都千代田区")]
    [InlineData("郵便番号 150-0002", "郵便番号 [POSTAL_CODE_1]")]
    [InlineData("Springfield, IL 62704-1234", "Springfield, IL [POSTAL_CODE_1]")]
    [InlineData("a@b.com, A@b.com, a@b.com", "[EMAIL_1], [EMAIL_2], [EMAIL_1]")]
    public void What_has_a_form_is_replaced_and_comes_back(string text, string redacted)
    {
        var map = new PiiMap();
        Assert.Equal(redacted, new PiiRedactor().Redact(text, map));
        Assert.Equal(text, map.Restore(redacted));
    }

    [Theory]
    [InlineData("4111 1111 1111 1112")]
    [InlineData("123456789012")]
    [InlineData("DE89 3704 0044 0532 0130 01")]
    [InlineData("Order 20251128, invoice 1234567, 3.14159265358979, 2025-11-28, 10:30:00")]
    [InlineData("ISBN 978-4-00-310101-8 は本です")]
    [InlineData("version 10.0.14, 192.168.0.1, port 6333")]
    [InlineData("user@localhost")]
    [InlineData("0000 0000 0000 0000")]
    [InlineData("今日は100円のパンを3個、12-3番地で買いました。")]
    public void What_only_looks_like_it_stays(string text) => Assert.Equal(text, new PiiRedactor().Redact(text));

    [Fact]
    public void Only_the_kinds_asked_for_are_replaced()
        => Assert.Equal("a@b.com 〒100-0001 [PHONE_1]", new PiiRedactor(PiiKinds.Phone).Redact("a@b.com 〒100-0001 090-1234-5678"));

    [Fact]
    public void One_map_serves_a_conversation_and_placeholders_of_the_text_itself_are_not_ours()
    {
        var (redactor, map) = (new PiiRedactor(), new PiiMap());
        Assert.Equal("[EMAIL_2] is not [EMAIL_1]", redactor.Redact("a@b.com is not [EMAIL_1]", map));
        Assert.Equal("again [EMAIL_2]", redactor.Redact("again a@b.com", map));
        Assert.Equal("To a@b.com, [EMAIL_1], [PHONE_7]", map.Restore("To [EMAIL_2], [EMAIL_1], [PHONE_7]"));
    }

    /// <summary>Numbers made by each check digit's rule are found; with the check digit changed they are not of that kind.</summary>
    [Fact]
    public void Check_digits_are_kept_to_for_many_numbers()
    {
        var random = new Random(7);
        for (int i = 0; i < 500; i++)
        {
            var eleven = string.Concat(Enumerable.Range(0, 11).Select(_ => (char)('0' + random.Next(10))));
            Assert.Equal(1,
                Enumerable.Range(0, 10).Count(digit => PiiRedactor.IsMyNumber(eleven + digit.ToString(CultureInfo.InvariantCulture))));
            var fifteen = "4" + string.Concat(Enumerable.Range(0, 14).Select(_ => (char)('0' + random.Next(10))));
            Assert.Equal(1,
                Enumerable.Range(0, 10).Count(digit => PiiRedactor.IsCard(fifteen + digit.ToString(CultureInfo.InvariantCulture))));
            Assert.Equal(1, Enumerable.Range(2, 97).Count(check => PiiRedactor.IsIban($"DE{check:00}{eleven}{eleven[..7]}")));
        }
    }
}
