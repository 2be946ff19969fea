using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A Unicode normalisation form. Characters that are composed are put where the first of them was, as in the reference (source: Hugging
/// Face tokenizers over unicode-normalization-alignments, whose tables are Unicode 9's: <see cref="LibraryCategories"/>).
/// </summary>
/// <param name="Form">NFC, NFD, NFKC or NFKD.</param>
internal sealed record UnicodeFormNormalizer(NormalizationForm Form) : INormalizer
{
    // Below the first combining mark nothing composes; below U+00A0 nothing decomposes either.
    private const char LastInertComposed = '\u02FF';
    private const char LastInert = '\u009F';

    // Hangul syllables are put together by arithmetic (The Unicode Standard, section 3.12).
    private const int HangulBase = 0xAC00;
    private const int LeadingBase = 0x1100;
    private const int VowelBase = 0x1161;
    private const int TrailingBase = 0x11A7;
    private const int LeadingCount = 19;
    private const int VowelCount = 21;
    private const int TrailingCount = 28;
    private const int HangulCount = LeadingCount * VowelCount * TrailingCount;

    private bool Compatible => Form is NormalizationForm.FormKC or NormalizationForm.FormKD;

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
        var text = buffer.Text;
        int at = text.IndexOfAnyExceptInRange('\0', Form == NormalizationForm.FormC ? LastInertComposed : LastInert);
        if (at < 0)
            return;

        // What stands before a plain character may yet be composed with what follows.
        int start = Math.Max(0, at - 1), copied = 0;
        List<(int CodePoint, int Class, int Change)>? parts = null;
        List<int>? places = null;
        var writer = buffer.Rewrite();
        while (start < text.Length)
        {
            // A stretch that is normalised separately: up to the next code point that nothing joins to what stands before it.
            int end = start;
            int first = CodePoints.Next(text, ref end), single = end;
            while (end < text.Length)
            {
                int next = end;
                if (IsBoundary(CodePoints.Next(text, ref next)))
                    break;
                end = next;
            }

            if (end > single || !IsInert(first))
            {
                writer.Copy(copied, start);
                NormalizePart(text, start, end, ref writer, parts ??= [], places ??= []);
                copied = end;
            }

            start = end;
        }

        if (parts is null)
            return;
        writer.Copy(copied, text.Length);
        writer.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "NF" + Form.ToString()["Form".Length..]);

    private static bool IsBoundary(int codePoint)
        => UnicodeData.IsNormalizationBoundary(codePoint) || !LibraryCategories.TakesPartInNormalization(codePoint);

    /// <summary>Whether a code point that stands alone certainly stays as it is.</summary>
    private bool IsInert(int codePoint)
        => codePoint < LastInert || (codePoint is < 0xAC00 or > 0xD7A3
            ? UnicodeData.Decomposition(codePoint, Compatible).IsEmpty || !LibraryCategories.TakesPartInNormalization(codePoint)
            : Composes);

    private void NormalizePart(
        ReadOnlySpan<char> text, int start, int end, ref PieceBuffer.Rewriter writer, List<(int CodePoint, int Class, int Change)> parts,
        List<int> places)
    {
        // Each new character says how many old ones it stands for: 1 - change.
        parts.Clear();
        places.Clear();
        for (int index = start; index < end;)
        {
            places.Add(index);
            Decompose(CodePoints.Next(text, ref index), parts);
        }

        Reorder(parts);
        if (Composes)
            Compose(parts);
        int consumed = 0;
        foreach (var (codePoint, _, change) in parts)
        {
            int source = places[Math.Clamp(change > 0 ? consumed - 1 : consumed, 0, places.Count - 1)];
            consumed += change > 0 ? 0 : 1 - change;
            writer.Append(codePoint, source);
        }
    }

    private void Decompose(int codePoint, List<(int CodePoint, int Class, int Change)> parts)
    {
        if (codePoint is >= HangulBase and < HangulBase + HangulCount)
        {
            int index = codePoint - HangulBase;
            parts.Add((LeadingBase + index / (VowelCount * TrailingCount), 0, 0));
            parts.Add((VowelBase + index / TrailingCount % VowelCount, 0, 1));
            if (index % TrailingCount > 0)
                parts.Add((TrailingBase + index % TrailingCount, 0, 1));
            return;
        }

        if (!LibraryCategories.TakesPartInNormalization(codePoint))
        {
            parts.Add((codePoint, 0, 0));
            return;
        }

        var decomposition = UnicodeData.Decomposition(codePoint, Compatible);
        if (decomposition.IsEmpty)
            parts.Add((codePoint, UnicodeData.GetCombiningClass(codePoint), 0));
        int change = 0;
        foreach (int part in decomposition)
            parts.Add((part, UnicodeData.GetCombiningClass(part), change++ == 0 ? 0 : 1));
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
            if (starter >= 0 && (adjacent || (lastClass < part.Class && lastClass != 0))
                && Joined(parts[starter].CodePoint, part.CodePoint) is int joined and >= 0)
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
        if (first is >= LeadingBase and < LeadingBase + LeadingCount && second is >= VowelBase and < VowelBase + VowelCount)
            return HangulBase + ((first - LeadingBase) * VowelCount + second - VowelBase) * TrailingCount;
        if (first is >= HangulBase and < HangulBase + HangulCount && (first - HangulBase) % TrailingCount == 0
            && second is > TrailingBase and < TrailingBase + TrailingCount)
            return first + second - TrailingBase;
        int joined = UnicodeData.Compose(first, second);
        return joined >= 0 && LibraryCategories.TakesPartInNormalization(joined) ? joined : -1;
    }
}
