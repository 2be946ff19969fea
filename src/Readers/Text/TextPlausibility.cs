using System.Globalization;
using System.Text;

namespace Kotonoha.Readers;

/// <summary>Says how much a text looks like writing, by its characters beyond ASCII: scripts do not mix inside words, letters are the
/// frequent ones, capitals stand where they can, marks follow what they belong to, signs stand where they are used.</summary>
internal static class TextPlausibility
{
    /// <summary>Enough to judge by.</summary>
    private const int MaxCharacters = 20_000;

    /// <summary>Of a letter that stands alone where letters do not.</summary>
    private const double Unlikely = 0;

    /// <summary>Of what no text has; one such character outweighs some right ones.</summary>
    private const double Impossible = -1;

    /// <summary>Three letters or fewer can be a word in any script.</summary>
    private const double ShortWord = 0.7;

    private enum Script
    {
        None,
        Latin,
        Cyrillic,
        Greek,
        Hebrew,
        Arabic,
        Thai,
        EastAsian,
        Other,
    }

    /// <summary>Whether a text has no character that no text has: controls, unassigned and private ones, replacement characters.</summary>
    internal static bool IsClean(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is >= ' ' and < 0x7F or '\n' or '\r' or '\t' or '\f' or 0x1A)
                continue;
            if (rune.Value == 0xFFFD || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.OtherNotAssigned
                or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate)
                return false;
        }

        return true;
    }

    /// <summary>From 0, no writing, to 1; text in ASCII is 1.</summary>
    internal static double Of(string text)
    {
        double total = 0;
        int count = 0;
        var east = EastAsianText.Of(text);
        var languages = new LatinWords();
        for (int i = 0; i < text.Length && count < MaxCharacters;)
        {
            var script = ScriptOf(text[i]);
            int end = i + 1;
            if (script is Script.None)
            {
                if (text[i] >= 0x80)
                {
                    total += Sign(text, i);
                    count++;
                }

                i = end;
                continue;
            }

            while (end < text.Length && ScriptOf(text[end]) == script)
                end++;
            var word = text.AsSpan(i, end - i);
            var before = i > 0 ? ScriptOf(text[i - 1]) : Script.None;
            var after = end < text.Length ? ScriptOf(text[end]) : Script.None;
            int foreign = word.Length - CountAscii(word);
            if (foreign == 0)
                languages.Note(word);
            if (foreign > 0)
            {
                if (script == Script.Latin)
                    languages.Add(word, IsMixed(script, before, after));
                else
                    total += foreign * (IsMixed(script, before, after) ? Impossible : Word(script, word, east, text, i))
                        * (script != Script.EastAsian && word.Length < 4 ? ShortWord : 1);
                count += foreign;
            }

            i = end;
        }

        return count == 0 ? 1 : (total + languages.Total()) / count;
    }

    /// <summary>Alphabets do not touch inside a word; East Asian text needs no spaces.</summary>
    private static bool IsMixed(Script script, Script before, Script after)
        => script != Script.EastAsian
            && (before is not (Script.None or Script.EastAsian) || after is not (Script.None or Script.EastAsian));

    private static double Word(Script script, ReadOnlySpan<char> word, EastAsianText east, string text, int start) => script switch
    {
        Script.EastAsian => east.Word(text, start, word.Length),
        Script.Cyrillic => Cyrillic(word),
        Script.Greek => Greek(word),
        Script.Hebrew => Hebrew(word),
        Script.Arabic => Arabic(word),
        Script.Thai => Thai(word),
        _ => 0.1,
    };

    private static double Cyrillic(ReadOnlySpan<char> word)
    {
        if (word.Length == 1)
            return "виксоуаяВИКСОУАЯ".Contains(word[0]) ? 0.25 : Unlikely;
        double sum = 0;
        bool vowel = false;
        foreach (char c in word)
        {
            char lower = char.ToLowerInvariant(c);
            sum += "оеаинтсрвлкмдпу".Contains(lower) ? 1 : "яыьгзбчйхжшюі".Contains(lower) ? 0.7 : "цщэфъёїєґ".Contains(lower) ? 0.4 : 0.1;
            vowel |= "аеёиоуыэюяіїє".Contains(lower);
        }

        return sum / word.Length * Case(word) * (!vowel && word.Length > 3 ? 0.3 : 1);
    }

    private static double Greek(ReadOnlySpan<char> word)
    {
        if (word.Length == 1)
            return "ηοήΗΟΉ".Contains(word[0]) ? 0.25 : Unlikely;
        double sum = 0;
        int accents = 0;
        for (int i = 0; i < word.Length; i++)
        {
            char lower = char.ToLowerInvariant(word[i]);
            if (lower == 'ς' && i < word.Length - 1 && char.IsLetter(word[i + 1]))
                return 0.05;
            accents += "άέήίόύώΐΰ".Contains(lower) ? 1 : 0;
            sum += "αοιετσνηυρπκμλςάέήίόύώ".Contains(lower) ? 1 : "ωδγχθφβξζψ".Contains(lower) ? 0.6 : "ϊϋΐΰ".Contains(lower) ? 0.3 : 0.1;
        }

        return sum / word.Length * Case(word) * (accents > 1 ? 0.3 : accents == 0 && word.Length > 3 && char.IsLower(word[^1]) ? 0.5 : 1)
            * (word.Length > 1 && word[^1] == 'σ' ? 0.4 : 1);
    }

    private static double Hebrew(ReadOnlySpan<char> word)
    {
        if (word[0] < 'א')
            return 0.1;
        if (word.Length == 1)
            return Unlikely;
        double sum = 0;
        for (int i = 0; i < word.Length; i++)
        {
            if (i + 1 < word.Length && word[i] is 'ך' or 'ם' or 'ן' or 'ף' or 'ץ' && word[i + 1] is >= 'א' and <= 'ת')
                return 0.05;
            sum += "יוהלארתשבמםנ".Contains(word[i]) ? 1 : 0.7;
        }

        return sum / word.Length * (word[^1] is 'כ' or 'מ' or 'נ' or 'פ' or 'צ' ? 0.4 : 1);
    }

    private static double Arabic(ReadOnlySpan<char> word)
    {
        if (!char.IsLetter(word[0]))
            return Impossible;
        double sum = 0;
        for (int i = 0; i < word.Length; i++)
        {
            if (word[i] is 'ة' or 'ى' && i + 1 < word.Length && char.IsLetter(word[i + 1]))
                return 0.05;
            sum += "اليمنورتبةعدسفهكقأحى".Contains(word[i]) ? 1 : char.IsLetter(word[i]) ? 0.6 : 0.1;
        }

        return word.Length > 1 ? sum / word.Length : Unlikely;
    }

    private static double Thai(ReadOnlySpan<char> word)
    {
        int wrong = 0, vowels = 0, rare = 0;
        for (int i = 0; i < word.Length; i++)
        {
            bool mark = word[i] is 'ั' or (>= 'ิ' and <= 'ฺ') or (>= '็' and <= '๎');
            bool leading = word[i] is >= 'เ' and <= 'ไ';
            wrong += i == 0 && word[i] is 'ะ' or 'า' or 'ำ' ? 1 : 0;
            vowels += mark || leading || word[i] is 'ะ' or 'า' or 'ำ' ? 1 : 0;
            wrong += word[i] is 'ฃ' or 'ฅ' or 'ฦ' ? 1 : 0; // no longer written
            // A vowel above or below stands at a consonant, a tone mark at that or at the vowel.
            bool tone = word[i] is >= '็' and <= '๎';
            if (mark && (i == 0
                || (word[i - 1] is not (>= 'ก' and <= 'ฮ' or 'ฤ') && !(tone && word[i - 1] is 'ั' or (>= 'ิ' and <= 'ู')))))
                wrong++;
            rare += "ฆฌญฎฏฐฑฒณฬฮฤ".Contains(word[i]) ? 1 : 0;
            if (leading && (i + 1 >= word.Length || word[i + 1] is not (>= 'ก' and <= 'ฮ')))
                wrong++;
        }

        if (word.Length < 2)
            return Unlikely;
        return Math.Max(0, 1 - (4.0 * wrong / word.Length)) * (4 * rare >= word.Length ? 0.4 : 1)
            * (3 * vowels >= word.Length ? 1 : 5 * vowels >= word.Length ? 0.5 : 0.2);
    }

    /// <summary>all small, all capital, or one capital in front.</summary>
    private static double Case(ReadOnlySpan<char> word)
    {
        int upper = 0, lower = 0;
        foreach (char c in word)
        {
            upper += char.IsUpper(c) ? 1 : 0;
            lower += char.IsLower(c) ? 1 : 0;
        }

        return lower == 0 ? 0.85 : upper == 0 || (upper == 1 && char.IsUpper(word[0])) ? 1 : 0.1;
    }

    private static int CountAscii(ReadOnlySpan<char> word)
    {
        int count = 0;
        foreach (char c in word)
            count += c < 0x80 ? 1 : 0;
        return count;
    }

    private static Script ScriptOf(char c) => c switch
    {
        < 'A' => Script.None,
        <= 'z' => c is <= 'Z' or >= 'a' ? Script.Latin : Script.None,
        < '\u00AA' => Script.None,
        'ª' or 'º' or 'µ' or '×' or '÷' => Script.None,
        (>= '\u00C0' and <= '\u024F') or (>= '\u1E00' and <= '\u1EFF') => Script.Latin,
        >= '\u0370' and <= '\u03FF' when char.IsLetter(c) => Script.Greek,
        >= '\u0400' and <= '\u04FF' => Script.Cyrillic,
        >= '\u0591' and <= '\u05F4' => Script.Hebrew,
        >= '\u0620' and <= '\u06D3' when char.IsLetter(c) || char.GetUnicodeCategory(c) == UnicodeCategory.NonSpacingMark => Script.Arabic,
        >= '\u0E01' and <= '\u0E4E' and not '฿' => Script.Thai,
        '々' or '〆' or '〇' or (>= '\u3041' and <= '\u30FF') or (>= '\u3131' and <= '\u318E') or (>= '\u3400' and <= '\u9FFF')
            or (>= '\uAC00' and <= '\uD7A3') or (>= '\uF900' and <= '\uFAFF') or (>= '\uFF66' and <= '\uFF9F') => Script.EastAsian,
        _ => char.IsLetter(c) || char.IsSurrogate(c) ? Script.Other : Script.None,
    };

    /// <summary>A sign stands where it is used: an apostrophe in or after a word, a currency beside a number, …</summary>
    private static double Sign(string text, int at)
    {
        char before = at > 0 ? text[at - 1] : '\n', after = at + 1 < text.Length ? text[at + 1] : '\n';
        bool wordBefore = char.IsLetterOrDigit(before), wordAfter = char.IsLetterOrDigit(after);
        bool inside = char.IsLetter(before) && char.IsLetter(after) && before < '\u2E80' && after < '\u2E80';
        switch (text[at])
        {
            case '’' or '‘':
                return inside || (wordBefore && !wordAfter) ? 1 : wordAfter ? 0.6 : IsOutside(before) != IsOutside(after) ? 0.7 : 0.2;
            case '“' or '”' or '„' or '‚' or '«' or '»' or '‹' or '›':
                return !inside && (IsOutside(before) || IsOutside(after)) ? 1 : before >= '\u2E80' || after >= '\u2E80' ? 0.8 : Impossible;
            case '–' or '—':
                return (char.IsWhiteSpace(before) && char.IsWhiteSpace(after)) || (wordBefore && wordAfter) || before is '\n' ? 1 : 0.6;
            case '…':
                return inside ? 0.5 : 1;
            case '€' or '£' or '¥' or '¢' or '฿' or '₩' or '₪':
                return char.IsLetter(after) || char.IsLetter(before) ? Impossible : NearDigit(text, at) ? 1 : 0.6;
            case '½' or '¼' or '¾' when char.IsLetter(after) || char.IsLetter(before):
                return Impossible;
            case '½' or '¼' or '¾' when char.IsWhiteSpace(before) && after == ' ':
                return 0.9;
            case '°' or '±' or '×' or '÷' or '½' or '¼' or '¾' or '‰':
                return NearDigit(text, at) ? 1 : 0.1;
            case '§' or '№' or '¶':
                return !wordBefore && (char.IsWhiteSpace(after) || char.IsDigit(after)) ? 0.9 : 0.1;
            case '²' or '³' or '¹' or 'º' or 'ª':
                return inside ? Impossible : wordBefore && !wordAfter && IsUnit(text, at) ? 0.8 : 0.1;
            case '©' or '®' or '™':
                if (char.IsLetter(after))
                    return Impossible;
                return !(IsOutside(before) || IsOutside(after)) ? 0.05 : wordBefore || wordAfter ? 0.8 : 0.5;
            case 'µ':
                return after is 'm' or 'g' or 's' or 'l' or 'L' or 'A' or 'V' or 'W' or 'F' && !char.IsLetter(before) ? 0.9 : 0.05;
            case '¿' or '¡':
                return (char.IsWhiteSpace(before) || before is '(' or '"' or '“' or '«' or '¿') && char.IsLetter(after) ? 1 : 0.05;
            case '\u00A0':
                return inside ? 0.5 : 0.7;
            case '•' or '·':
                return inside ? 0.3 : char.IsWhiteSpace(after) && after != '\n' ? 0.8 : 0.1;
            case '†' or '‡':
                return inside ? 0.05 : 0.6;
            case >= '\u3000' and <= '\u303F' or (>= '\uFF01' and <= '\uFF65') or (>= '\uFFE0' and <= '\uFFE6'):
                return inside ? 0.1 : 0.9;
            case (>= '\u2460' and <= '\u24FF') or (>= '\u3200' and <= '\u33FF') or (>= '\u2160' and <= '\u217F'):
                return inside ? 0.1 : 0.8;
            case (>= '\u2190' and <= '\u22FF') or (>= '\u25A0' and <= '\u266F'):
                return inside ? 0.05 : after == '\n' ? 0.1 : 0.6;
            case '\u200E' or '\u200F':
                return ScriptOf(before) is Script.Hebrew or Script.Arabic or Script.None
                    && ScriptOf(after) is Script.Hebrew or Script.Arabic or Script.None ? 0.3 : Impossible;
            case >= '\u0E50' and <= '\u0E59':
                return char.IsLetter(before) || char.IsLetter(after) ? Impossible : 0.2;
            default:
                bool modifier = char.GetUnicodeCategory(text[at]) == UnicodeCategory.ModifierSymbol;
                return inside || (modifier && (char.IsLetter(before) || char.IsLetter(after))) ? Impossible : 0.1;
        }
    }

    /// <summary>Whether a number or a unit of length stands before a place.</summary>
    private static bool IsUnit(string text, int at)
    {
        int start = at;
        while (start > 0 && char.IsLetter(text[start - 1]))
            start--;
        return text[start..at] is "" or "m" or "km" or "cm" or "mm" or "dm" or "ft" or "in" or "x";
    }

    private static bool IsOutside(char c) => char.IsWhiteSpace(c) || (char.IsPunctuation(c) && c < '\u2E80');

    private static bool NearDigit(string text, int at)
        => (at > 0 && char.IsDigit(text[at - 1])) || (at + 1 < text.Length && char.IsDigit(text[at + 1]))
            || (at > 1 && char.IsWhiteSpace(text[at - 1]) && char.IsDigit(text[at - 2]))
            || (at + 2 < text.Length && char.IsWhiteSpace(text[at + 1]) && char.IsDigit(text[at + 2]));

    /// <summary>What a text says about its East Asian characters together.</summary>
    /// <param name="HasKana">Whether it is Japanese.</param>
    /// <param name="HasHangul">Whether it is Korean.</param>
    /// <param name="IsSpaced">Whether its ideographs stand in words, which Chinese and Japanese do not have.</param>
    private readonly record struct EastAsianText(bool HasKana, bool HasHangul, bool IsSpaced)
    {
        internal static EastAsianText Of(string text)
        {
            int kana = 0, hangul = 0, all = 0, spaces = 0;
            for (int i = 0; i < text.Length; i++)
            {
                char c = text[i];
                if (c == ' ' && IsIdeograph(text, i - 1) && IsIdeograph(text, i + 1))
                    spaces++;
                if (ScriptOf(c) != Script.EastAsian)
                    continue;
                all++;
                kana += c is >= '\u3041' and <= '\u3096' ? 1 : 0;
                hangul += c is >= '\uAC00' and <= '\uD7A3' ? 1 : 0;
            }

            return new EastAsianText(10 * kana >= all && kana > 0, 2 * hangul >= all && hangul > 0, 6 * spaces >= all && spaces > 0);
        }

        internal double Word(string text, int start, int length)
        {
            double sum = 0;
            for (int i = start; i < start + length; i++)
                sum += Character(text, i);
            double mean = sum / length * (IsSpaced && !HasKana && !HasHangul ? 0.6 : 1);
            bool latinBefore = start > 0 && char.IsAsciiLetter(text[start - 1]);
            bool latinAfter = start + length < text.Length && char.IsAsciiLetter(text[start + length]);
            bool small = (latinBefore && char.IsAsciiLetterLower(text[start - 1]))
                || (latinAfter && char.IsAsciiLetterLower(text[start + length]));
            // One or two ideographs in the middle of a Latin word are what other encodings make of accents and quotes.
            if (length <= 2 && small)
                return 0.1 * mean;
            return latinBefore && latinAfter && length <= 3 ? 0.3 * mean : mean;
        }

        private double Character(string text, int at)
        {
            char c = text[at];
            if (c is >= '\uAC00' and <= '\uD7A3')
                return !HasHangul ? 0.2 : CommonCharacters.Hangul.Contains(c) ? 1 : 0.35;
            if (c is >= '\u3131' and <= '\u318E')
                return 0.1;
            if (c is >= '\u3041' and <= '\u3096')
                return HasHangul ? 0.1 : 1;
            if (c is >= '\u30A1' and <= '\u30FF')
                return HasHangul ? 0.1 : 0.9;
            if (c is >= '\uFF66' and <= '\uFF9F')
                return IsHalfWidth(text, at - 1) || IsHalfWidth(text, at + 1) ? IsIdeograph(text, at - 1) || IsIdeograph(text, at + 1)
                    ? 0.15
                    : 0.6
                    : 0.1;
            if (c is '々' or '〆' or '〇')
                return HasHangul ? 0.1 : 0.8;
            if (HasHangul)
                return 0.2;
            if (HasKana)
                return CommonCharacters.Kanji.Contains(c) ? 1 : 0.35;
            return CommonCharacters.Chinese.Contains(c) ? 1 : CommonCharacters.Kanji.Contains(c) ? 0.85 : 0.25;
        }

        private static bool IsHalfWidth(string text, int at) => at >= 0 && at < text.Length && text[at] is >= '\uFF66' and <= '\uFF9F';

        private static bool IsIdeograph(string text, int at) => at >= 0 && at < text.Length && text[at] is >= '\u4E00' and <= '\u9FFF';
    }

    /// <summary>Gathers the words with accented Latin letters; they are judged together, since a text is in few languages.</summary>
    private sealed class LatinWords
    {
        /// <summary>The letters beyond ASCII of languages, with the weight of their number of texts, and their small words.</summary>
        private static readonly (string Letters, double Weight, string Words)[] Languages =
        [
            ("àâæçéèêëîïôœùûü", 1, "le la les de des du est et un une pour dans que qui pas par sur avec ce il au"),
            ("äöüß", 1, "der die das und ist nicht ein eine den von mit zu auf im es des dem wird"),
            ("áéíñóúü", 1, "el la los las de del que y en es no se un una por con para su al"),
            ("àáâãçéêíóôõúü", 1, "o a os as de do da que e em um uma para com se por na no ao"),
            ("àèéìíîòóùú", 1, "il la lo i gli di del della che e un una per con non si da in al"),
            ("åäöéàü", 1, "och i att det som en av den med till inte ja on ei se"),
            ("æøåéèêòôóü", 1, "og i at det som en er av den med til ikke de for"),
            ("éëïöüáèó", 1, "de het een en van is niet dat te op met in zijn"),
            ("àçéèíïóòúü", 1, "el la els les de del que i en es no un una per amb"),
            ("áðéíóúýþæö", 0.9, "og er sem um ekki til af en"),
            ("ąćęłńóśźż", 0.95, "w i nie na z do jest to o po od za dla przez jak lub"),
            ("áčďéěíňóřšťúůýž", 0.95, "a je na se v o do za pro z s nebo jako by"),
            ("áäčďéíľňóôšťúýž", 0.9, "a je na sa v o do za pre z s alebo ako"),
            ("áéíóöőúüű", 0.95, "a az egy nem is hogy meg van ez de vagy ha"),
            ("čćđšž", 0.9, "je i u na se da za od s ne ili kao"),
            ("ăâîșțşţ", 0.9, "de la cu nu este un o pe pentru sau din ce se"),
            ("çğıöşüâîûİ", 0.95, "ve bir bu ile da de olarak veya"),
            ("ąčęėįšųūž", 0.9, "ir yra kad tai su ne iki kaip"),
            ("āčēģīķļņšūž", 0.9, "un ir ka par ar no uz kas"),
            ("äõöüšž", 0.85, "ja on ei see et kui ka"),
            ("àâæçéèêëîïôœùûüäößáíñóúãõìòåø", 0.62, ""),
            ("ąćęłńóśźżáčďéěíňřšťúůýžőűăâîșțşţöüđ", 0.6, ""),
        ];

        private const int LongestWord = 5;

        private static readonly Dictionary<string, int[]> WordLanguages = Languages
            .SelectMany((language, i) => language.Words.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => (word, i)))
            .GroupBy(pair => pair.word, pair => pair.i, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.ToArray(), StringComparer.Ordinal);

        private readonly List<(string Letters, double Shape, bool IsSingle)> _words = [];
        private readonly int[] _hits = new int[Languages.Length];
        private bool _hasOthers;

        /// <summary>Counts a word without accents.</summary>
        internal void Note(ReadOnlySpan<char> word)
        {
            _hasOthers = true;
            if (word.Length <= LongestWord && WordLanguages.TryGetValue(word.ToString().ToLowerInvariant(), out var languages))
                foreach (int language in languages)
                    _hits[language]++;
        }

        internal void Add(ReadOnlySpan<char> word, bool mixed)
        {
            var letters = new StringBuilder();
            int run = 0, longest = 0;
            foreach (char c in word)
            {
                run = c >= 0x80 ? run + 1 : 0;
                longest = Math.Max(longest, run);
                if (c >= 0x80)
                    letters.Append(char.ToLowerInvariant(c));
            }

            double shape = mixed ? Impossible : Case(word) * (longest > 2 ? 0.1 : longest == 2 ? 0.8 : 1);
            if (word.Length >= 3 && 10 * letters.Length >= 6 * word.Length)
                shape *= 0.3;
            if (word.Length == 1)
                shape = "àèéóíåøÀÈÉ".Contains(word[0]) ? 0.8 : Unlikely;
            _words.Add((letters.ToString(), shape * Sound(word), word.Length == 1));
        }

        internal double Total()
        {
            if (_words.Count == 0)
                return 0;
            int all = _words.Sum(word => word.Letters.Length);
            double best = 0;
            // Where the small words of a language stand, its letters are likely, and those of others are not.
            int most = _hits.Max();
            for (int i = 0; i < Languages.Length; i++)
            {
                var (letters, prior, words) = Languages[i];
                double weight = prior * (most == 0 ? 1 : words.Length == 0 ? 0.9 : 0.5 + (0.5 * _hits[i] / most));
                double covered = (double)_words.Sum(word => word.Letters.Count(letters.Contains)) / all;
                best = Math.Max(best, covered == 1 ? weight : 0.5 * weight * covered * covered);
            }

            // An accented letter is a word beside others, not all of a text.
            if (!_hasOthers && _words.TrueForAll(word => word.Letters.Length == 1 && word.IsSingle))
                best *= 0.4;
            return best * _words.Sum(word => word.Letters.Length * word.Shape);
        }

        /// <summary>Vowels and consonants alternate, and a few letters have their places.</summary>
        private static double Sound(ReadOnlySpan<char> word)
        {
            double sound = 1;
            for (int i = 0; i < word.Length; i++)
            {
                if (word[i] < 0x80)
                    continue;
                char c = char.ToLowerInvariant(word[i]);
                bool vowel = IsVowel(c);
                int first = i, last = i;
                while (first > 0 && IsVowel(word[first - 1]) == vowel)
                    first--;
                while (last + 1 < word.Length && IsVowel(word[last + 1]) == vowel)
                    last++;
                int length = last - first + 1;
                if (!vowel && word.Length > 1
                    && (length > 3 || (length == 3 && (first == 0 || last == word.Length - 1)) || length == word.Length))
                    sound *= 0.6;
                if (vowel && length > 3)
                    sound *= 0.7;
                // Italian accents stand at the end, ð and þ have their sides.
                if ((c is 'ì' or 'ò' && i < word.Length - 1) || (c == 'þ' && i > 0) || (c == 'ð' && i == 0))
                    sound *= 0.5;
            }

            return sound;
        }

        private static bool IsVowel(char c)
        {
            return "aeiouyæøœåıàáâãäāăąèéêëēėęěìíîïīįòóôõöőùúûüūůűųýÿ".Contains(char.ToLowerInvariant(c));
        }
    }
}
