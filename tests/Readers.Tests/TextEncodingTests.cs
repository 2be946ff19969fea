using System.Text;

namespace Kotonoha.Readers.Tests;

/// <summary>Text from before Unicode: read right or refused, never read wrong.</summary>
public class TextEncodingTests
{
    private static readonly int[] CodePages =
        [932, 51932, 936, 950, 949, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 20866, 866, 874, 28592, 28595, 28597];

    /// <summary>Texts that are long enough to be known.</summary>
    public static TheoryData<int, string> Known() => new()
    {
        { 936, "新闻会议室的服务器端口是 8080。\n请在每天早上检查数据库。" },
        { 936, "会议在三楼举行。" },
        { 936, "你好，世界" },
        { 949, "도서관 근무 시간은 아침 아홉 시부터입니다." },
        { 949, "안녕하세요" },
        { 950, "圖書館的開放時間是早上九點。" },
        { 932, "図書館は朝九時に開きます。" },
        { 932, "東京都渋谷区の①㈱髙橋商店、Ⅳ号館です。" },
        { 932, "ＵＳＢメモリを使う。値段は￥１０００" },
        { 51932, "図書館は朝九時に開きます。" },
        { 1252, "The visitor’s ticket costs 18 euros." },
        { 1252, "The visitor’s ticket" },
        { 1252, "Le tarif général est de 18 euros et le détail est au guichet." },
        { 1252, "Le père est allé à Paris, déjà." },
        { 1252, "Price: 18 €" },
        { 1252, "Müller" },
        { 1252, "“Hello” – he said…" },
        { 1252, "El niño llegó mañana. ¿Qué pasó?" },
        { 1252, "Die Straße ist schön." },
        { 1252, "Temperature: 5 °C" },
        { 1252, "café" },
        { 1250, "Zamówienie zostało złożone, proszę czekać." },
        { 1251, "Библиотека открывается в девять часов утра." },
        { 1251, "Привет" },
        { 20866, "Библиотека открывается в девять часов утра." },
        { 20866, "Привет, мир." },
        { 866, "Библиотека открывается в девять часов утра." },
        { 874, "ห้องสมุดเปิดเวลาเก้าโมงเช้า" },
        { 1253, "Η βιβλιοθήκη ανοίγει στις εννέα." },
        { 1255, "הספרייה נפתחת בשעה תשע בבוקר" },
        { 1256, "تفتح المكتبة في الساعة التاسعة صباحا" },
    };

    /// <summary>Texts that may be too short, or too much like another, to be known.</summary>
    public static TheoryData<string> Texts() =>
    [
        "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Kůň a pěna", "Čas je drahý.", "Az őr tűri a szépet.", "Kütüphane saat dokuzda açılır.",
        "Şehir güzel.", "Kış", "Ąžuolas žalias", "Grāmata ir šeit", "Țara mea frumoasă", "你好", "您好", "東京都", "東京都渋谷区", "ｶﾀｶﾅ", "会議",
        "図書館", "北京", "서울", "Zażółć gęślą jaźń", "Да", "Ответ: нет.", "Ціна їжі", "Ναι", "Άλφα", "שלום", "نعم", "ใช่", "naïve", "Zürich",
        "Ærø", "Þór á bíl",
        "São Paulo", "l’été", "½ cup", "£5", "§ 12", "©", "é", "Ω", "a — b", "№ 5", "㈱山田", "①", "髙", "～", "ギター", "데이터", "数据", "數據",
        "Ελληνικά", "Ђорђе", "ПРИВЕТ", "NAÏF", "El Niño", "señor", "façade", "10 µm", "5 m²", "naiv • gut", "“x”", "it’s", "été", "Ça va",
        "тест", "МОСКВА", "Søren", "œuvre", "Łódź", "ćma", "č", "ž", "è", "à la carte", "crème brûlée", "pièce", "père",
    ];

    [Theory]
    [MemberData(nameof(Known))]
    public async Task Older_encodings_are_read_right(int codePage, string text)
        => Assert.Equal(text, (await Read(Encoding(codePage).GetBytes(text))).Text);

    [Theory]
    [MemberData(nameof(Texts))]
    public async Task Short_texts_are_read_right_or_refused(string text)
    {
        foreach (int codePage in CodePages)
        {
            byte[] bytes;
            try
            {
                bytes = Encoding(codePage).GetBytes(text);
            }
            catch (EncoderFallbackException)
            {
                continue;
            }

            try
            {
                Assert.Equal(text, (await Read(bytes)).Text);
            }
            catch (DocumentFormatException error)
            {
                Assert.Contains("save it as UTF-8", error.Message);
            }
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Wide_encodings_are_read_with_and_without_their_mark(bool bigEndian, bool mark)
    {
        const string Text = "図書館は朝九時に開きます。\nOpen at nine, café 5 €.";
        Encoding[] encodings = [new UnicodeEncoding(bigEndian, mark), new UTF32Encoding(bigEndian, mark)];
        foreach (var encoding in encodings)
            Assert.Equal(Text, (await Read([.. encoding.GetPreamble(), .. encoding.GetBytes(Text)])).Text);
    }

    [Fact]
    public async Task Undecided_bytes_are_refused_with_the_candidates()
    {
        // Czech "Čas", or "Èas" in a western encoding: one letter does not decide.
        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => Read(Encoding(1250).GetBytes("Čas")));
        Assert.Contains("offset 0", error.Message);
        Assert.Contains("windows-1250", error.Message);
        Assert.Contains("windows-1252", error.Message);
        error = await Assert.ThrowsAsync<DocumentFormatException>(() => Read([0x80, 0xFF, 0x81, 0x03, 0xFE]));
        Assert.Contains("offset 0", error.Message);
        await Assert.ThrowsAsync<DocumentFormatException>(() => Read([1, 2, 0, 4]));
    }

    private static Encoding Encoding(int codePage)
        => CodePagesEncodingProvider.Instance.GetEncoding(codePage, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback)!;

    private static Task<ExtractedDocument> Read(byte[] content) => DocumentReaders.InProcess.ReadAsync(content, "test.txt");
}
