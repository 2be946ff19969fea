using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>
/// A Unicode normalisation form. Characters that are composed stand where the first of them stood, as the reference has it (source: Hugging
/// Face tokenizers over unicode-normalization-alignments).
/// </summary>
/// <param name="Form">NFC, NFD, NFKC or NFKD.</param>
internal sealed record UnicodeFormNormalizer(NormalizationForm Form) : INormalizer
{
    // Below the first combining mark nothing composes; below U+00A0 nothing decomposes either.
    private const char LastInertComposed = '\u02FF';
    private const char LastInert = '\u009F';

    private bool Composes => Form is NormalizationForm.FormC or NormalizationForm.FormKC;

    /// <summary>The form that a component's name stands for, or null.</summary>
    public static NormalizationForm? FormOf(string type) => type switch
    {
        "NFC" => NormalizationForm.FormC,
        "NFD" => NormalizationForm.FormD,
        "NFKC" => NormalizationForm.FormKC,
        "NFKD" => NormalizationForm.FormKD,
        _ => null,
    };

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (buffer.Text.IndexOfAnyExceptInRange('\0', Form == NormalizationForm.FormC ? LastInertComposed : LastInert) < 0)
            return;
        var text = buffer.Text.ToString();
        var normalized = Normalizer.Normalize(text, Form);
        if (normalized == text)
            return;
        if (!buffer.TracksOffsets)
        {
            buffer.Replace(normalized, []);
            return;
        }

        var output = new StringBuilder(normalized.Length);
        var sources = new List<int>(normalized.Length);
        int start = 0, index = 0;
        while (index < text.Length)
        {
            int at = index;
            int codePoint = CodePoints.Next(text, ref index);
            if (at > start && UnicodeData.IsNormalizationBoundary(codePoint))
            {
                NormalizePart(text, start, at, output, sources);
                start = at;
            }
        }

        NormalizePart(text, start, text.Length, output, sources);
        buffer.Replace(output.ToString(), [.. sources]);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "NF" + Form.ToString()["Form".Length..]);
        writer.WriteEndObject();
    }

    private void NormalizePart(string text, int start, int end, StringBuilder output, List<int> sources)
    {
        // Each new character says how many old ones it stands for: 1 - change.
        var parts = new List<(int CodePoint, int Class, int Change)>();
        var places = new List<int>();
        var decomposition = Form is NormalizationForm.FormC or NormalizationForm.FormD ? NormalizationForm.FormD : NormalizationForm.FormKD;
        for (int index = start; index < end;)
        {
            places.Add(index);
            int change = 0;
            var character = char.ConvertFromUtf32(CodePoints.Next(text, ref index));
            foreach (var rune in Normalizer.Normalize(character, decomposition).EnumerateRunes())
                parts.Add((rune.Value, UnicodeData.GetCombiningClass(rune.Value), change++ == 0 ? 0 : 1));
        }

        Reorder(parts);
        if (Composes)
            Compose(parts);
        int consumed = 0;
        foreach (var (codePoint, _, change) in parts)
        {
            int source = places[Math.Clamp(change > 0 ? consumed - 1 : consumed, 0, places.Count - 1)];
            consumed += change > 0 ? 0 : 1 - change;
            for (int unit = 0; unit < (codePoint >= 0x10000 ? 2 : 1); unit++)
                sources.Add(source);
            CodePoints.Append(output, codePoint);
        }
    }

    /// <summary>The canonical order: runs of marks sorted by class, stably.</summary>
    private static void Reorder(List<(int CodePoint, int Class, int Change)> parts)
    {
        for (int from = 0; from < parts.Count;)
        {
            int to = from + 1;
            if (parts[from].Class != 0)
            {
                while (to < parts.Count && parts[to].Class != 0)
                    to++;
                var sorted = parts.GetRange(from, to - from).OrderBy(p => p.Class).ToArray();
                for (int i = 0; i < sorted.Length; i++)
                    parts[from + i] = sorted[i];
            }

            from = to;
        }
    }

    private static void Compose(List<(int CodePoint, int Class, int Change)> parts)
    {
        int starter = -1, lastClass = 0, written = 0;
        for (int read = 0; read < parts.Count; read++)
        {
            var part = parts[read];
            bool adjacent = starter >= 0 && written == starter + 1;
            if (starter >= 0 && (adjacent || (lastClass < part.Class && lastClass != 0)) && Joined(parts[starter].CodePoint, part.CodePoint) is int joined and >= 0)
            {
                parts[starter] = (joined, 0, parts[starter].Change + part.Change - 1);
                continue;
            }

            if (part.Class == 0)
                starter = written;
            lastClass = part.Class;
            parts[written++] = part;
        }

        parts.RemoveRange(written, parts.Count - written);
    }

    /// <summary>The primary composite of two code points, or -1.</summary>
    private static int Joined(int first, int second)
    {
        var both = Normalizer.Normalize(char.ConvertFromUtf32(first) + char.ConvertFromUtf32(second), NormalizationForm.FormC);
        int index = 0;
        int joined = CodePoints.Next(both, ref index);
        return index == both.Length ? joined : -1;
    }
}
