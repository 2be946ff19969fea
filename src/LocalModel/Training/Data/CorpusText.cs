using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Training.Data;

/// <summary>What is read off a document's text: its normal form, its script, its quality, its identity.</summary>
internal static class CorpusText
{
    private const int ByteOrderMark = 0xFEFF;
    private const int Replacement = 0xFFFD;
    private const ulong FnvStart = 14695981039346656037;
    private const ulong FnvPrime = 1099511628211;

    /// <summary>
    /// NFC, line feeds alone, no control characters or byte order marks, no space at the ends of lines, one empty line at most.
    /// </summary>
    public static string Normalize(string text)
    {
        var kept = new StringBuilder(text.Length);
        text = Normalizer.Normalize(text, NormalizationForm.FormC).Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        int empty = 1;
        foreach (var line in text.Split('\n'))
        {
            int start = kept.Length;
            foreach (char c in line)
                if (c == '\t' || !(char.IsControl(c) || c == ByteOrderMark))
                    kept.Append(c);
            while (kept.Length > start && char.IsWhiteSpace(kept[^1]))
                kept.Length--;
            empty = kept.Length > start ? 0 : empty + 1;
            if (empty < 2)
                kept.Append('\n');
        }

        while (kept.Length > 0 && kept[^1] == '\n')
            kept.Length--;
        return kept.ToString();
    }

    /// <summary>
    /// What a text is written in: <c>Japanese</c> where at least a tenth of its kanji and kana are kana, <c>Han</c> where fewer are, or
    /// else the commonest script of its letters as Unicode names it (<c>Latin</c>, <c>Hangul</c>, <c>Cyrillic</c>, …); <c>Unknown</c>
    /// without letters.
    /// </summary>
    public static string Script(string text)
    {
        var counts = new Dictionary<string, int>();
        for (int i = 0; i < text.Length;)
            if (CodePoints.Next(text, ref i) is var point && UnicodeData.IsLetter(point)
                && UnicodeData.GetScript(point) is not ("Common" or "Inherited") and var script)
                counts[script] = counts.GetValueOrDefault(script) + 1;
        int kana = counts.GetValueOrDefault("Hiragana") + counts.GetValueOrDefault("Katakana"), han = counts.GetValueOrDefault("Han");
        counts.Remove("Hiragana");
        counts.Remove("Katakana");
        counts.Remove("Han");
        var other = counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).FirstOrDefault();
        if (kana + han > other.Value)
            return 10 * kana >= kana + han ? "Japanese" : "Han";
        return other.Key ?? "Unknown";
    }

    /// <summary>The measures that filters look at.</summary>
    public static TextQuality Quality(string text)
    {
        int points = 0, letters = 0, broken = 0, lines = 0, bullets = 0, ellipses = 0, repeated = 0;
        for (int i = 0; i < text.Length;)
        {
            int point = CodePoints.Next(text, ref i);
            if (UnicodeData.IsWhiteSpace(point))
                continue;
            points++;
            letters += UnicodeData.IsLetter(point) || UnicodeData.IsMark(point) ? 1 : 0;
            broken += point == Replacement || UnicodeData.GetCategory(point) is UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate
                ? 1 : 0;
        }

        var seen = new HashSet<ulong>();
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var content = line.Trim();
            if (content.IsEmpty)
                continue;
            lines++;
            bullets += content[0] is '•' or '*' or '-' or '·' or '・' or '●' or '■' or '▪' ? 1 : 0;
            ellipses += content.EndsWith("…") || content.EndsWith("...") ? 1 : 0;
            repeated += seen.Add(Hash(content)) ? 0 : 1;
        }

        double all = Math.Max(points, 1), rows = Math.Max(lines, 1);
        return new TextQuality(points, letters / all, broken / all, bullets / rows, ellipses / rows, repeated / rows);
    }

    /// <summary>
    /// The tokens that documents are compared by: runs of letters and digits, each kanji and kana alone; compatibility forms and case do
    /// not matter.
    /// </summary>
    public static List<ulong> Tokens(string text)
    {
        text = Normalizer.FoldCase(Normalizer.Normalize(text, NormalizationForm.FormKC));
        var tokens = new List<ulong>(text.Length / 4);
        ulong hash = FnvStart;
        bool open = false;
        for (int i = 0; i < text.Length;)
        {
            int point = CodePoints.Next(text, ref i);
            bool alone = UnicodeData.IsKanjiOrKana(point);
            bool inside = alone || UnicodeData.IsLetter(point) || UnicodeData.IsNumber(point) || UnicodeData.IsMark(point);
            if (open && (alone || !inside))
                Close();
            if (!inside)
                continue;
            hash = (hash ^ (ulong)point) * FnvPrime;
            open = true;
            if (alone)
                Close();
        }

        if (open)
            Close();
        return tokens;

        void Close()
        {
            tokens.Add(Mixed(hash));
            (hash, open) = (FnvStart, false);
        }
    }

    /// <summary>The same for documents that differ in nothing but case, compatibility forms, punctuation and white space.</summary>
    public static UInt128 Identity(List<ulong> tokens)
    {
        var hash = SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(
            System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens)));
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    /// <summary>A hash that is the same on every machine.</summary>
    public static ulong Hash(ReadOnlySpan<char> text)
    {
        ulong hash = FnvStart;
        foreach (char c in text)
            hash = (hash ^ c) * FnvPrime;
        return Mixed(hash);
    }

    /// <summary>Spreads every bit over all bits (the finaliser of SplitMix64).</summary>
    public static ulong Mixed(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}

/// <summary>Measures of a text; all but the first are shares from 0 to 1.</summary>
/// <param name="Characters">Code points that are no white space.</param>
/// <param name="Letters">Of them, letters and marks of any script.</param>
/// <param name="Broken">Of them, replacement characters, lone surrogates and private use: a wrong encoding.</param>
/// <param name="BulletLines">Of the lines that are not empty, those that begin with a bullet.</param>
/// <param name="EllipsisLines">Those that end in an ellipsis.</param>
/// <param name="RepeatedLines">Those that stand in the document already.</param>
internal readonly record struct TextQuality(
    int Characters, double Letters, double Broken, double BulletLines, double EllipsisLines, double RepeatedLines);
