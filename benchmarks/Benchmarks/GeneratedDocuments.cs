using System.Text;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Documents that look like documents: Markdown, HTML and text, English and Japanese, words by Zipf's law; the same seed gives the same
/// bytes.
/// </summary>
internal sealed class GeneratedDocuments
{
    private const int Words = 6_000;
    private const int BytesPerDocument = 5_000;
    private const string Kana = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ";

    private static readonly string[] Particles = ["は", "が", "を", "に", "で", "と", "から", "まで", "の"];
    private static readonly string[] Endings = ["です。", "ます。", "である。", "した。", "ない。"];

    private readonly Random _random;
    private readonly string[] _english;
    private readonly string[] _japanese;

    public GeneratedDocuments(int seed)
    {
        _random = new Random(seed);
        string[] syllables =
            ["ba", "con", "der", "el", "fi", "gra", "ho", "in", "ju", "ka", "lo", "men", "nor", "o", "per", "qui", "ra", "ste", "ti", "un",
                "ver", "wi", "xe", "yo", "zu"];
        _english =
            [.. Enumerable.Range(0, Words)
                .Select(_ =>
                    string.Concat(Enumerable.Range(0, _random.Next(1, 5)).Select(_ => syllables[_random.Next(syllables.Length)])))];
        _japanese =
        [
            .. Enumerable.Range(0, Words).Select(i => i % 3 == 0
                ? string.Concat(Enumerable.Range(0, _random.Next(2, 5)).Select(_ => Kana[_random.Next(Kana.Length)]))
                : string.Concat(Enumerable.Range(0, _random.Next(1, 4)).Select(_ => (char)(0x4e00 + _random.Next(2_000))))),
        ];
    }

    /// <summary>Writes documents into a folder.</summary>
    /// <returns>The number of bytes.</returns>
    public long Write(string folder, int count)
    {
        long bytes = 0;
        for (int i = 0; i < count; i++)
        {
            bool japanese = i % 2 == 1;
            var (extension, text) = (i % 6 / 2) switch
            {
                0 => ("md", Markdown(japanese)),
                1 => ("html", Html(japanese)),
                _ => ("txt", Paragraphs(japanese, (kind, body) => kind == 'h' ? body + "\n\n" : body + "\n\n")),
            };
            var path = Path.Combine(folder, $"part{i % 10}", $"document{i:D5}.{extension}");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var encoded = Encoding.UTF8.GetBytes(text);
            File.WriteAllBytes(path, encoded);
            bytes += encoded.Length;
        }

        return bytes;
    }

    private string Markdown(bool japanese)
        => Paragraphs(japanese,
            (kind, body) => kind == 'h' ? $"## {body}\n\n"
                : _random.Next(8) == 0 ? $"- {body}\n- {Sentence(japanese)}\n\n"
                : body + "\n\n");

    private string Html(bool japanese)
        => $"<!DOCTYPE html><html><head><title>{Phrase(japanese)}</title><style>p {{ margin: 1em }}</style></head><body>"
            + Paragraphs(japanese, (kind, body) => kind == 'h' ? $"<h2>{body}</h2>\n" : $"<p>{body}</p>\n")
            + "<script>var x = 1;</script></body></html>";

    private string Paragraphs(bool japanese, Func<char, string, string> format)
    {
        var text = new StringBuilder();
        for (int paragraph = 0, size = 0; size < BytesPerDocument - 300; paragraph++)
        {
            var body = paragraph % 4 == 0
                ? Phrase(japanese)
                : string.Join(japanese ? "" : " ", Enumerable.Range(0, _random.Next(3, 7)).Select(_ => Sentence(japanese)));
            size += Encoding.UTF8.GetByteCount(body) + 4;
            text.Append(format(paragraph % 4 == 0 ? 'h' : 'p', body));
        }

        return text.ToString();
    }

    private string Phrase(bool japanese) => string.Join(japanese ? "の" : " ", Enumerable.Range(0, 3).Select(_ => Word(japanese)));

    private string Sentence(bool japanese)
        => japanese
            ? string.Concat(Enumerable.Range(0, _random.Next(4, 9)).Select(_ => Word(true) + Particles[_random.Next(Particles.Length)]))
            + Word(true) + Endings[_random.Next(Endings.Length)]
            : string.Join(' ',
                Enumerable.Range(0, _random.Next(8, 18))
                    .Select(_ => _random.Next(40) == 0
                        ? _random.Next(10_000).ToString(System.Globalization.CultureInfo.InvariantCulture)
                        : Word(false))) + ".";

    // Zipf: the rank's density falls as 1 over the rank.
    private string Word(bool japanese) => (japanese ? _japanese : _english)[(int)Math.Exp(_random.NextDouble() * Math.Log(Words)) - 1];
}
