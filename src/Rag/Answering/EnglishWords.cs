using Kotonoha.Foundation.Text;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// A light stemmer for English: joins the forms of a word that a question and a text may use (train, trained, training, trainer). Cruder
/// than Porter's (1980), whose idea of stripping suffixes in order it follows; used to match answers, never for the index.
/// </summary>
internal static class EnglishStemmer
{
    private const int MinStem = 3;

    /// <summary>Longest first; what is stripped, and the length that must stay.</summary>
    private static readonly (string Suffix, int MinStem)[] Derivations =
    [
        ("ization", 4), ("isation", 4), ("ational", 4), ("fulness", 3), ("ation", 4), ("ments", 4), ("ition", 4), ("izing", 4),
        ("ising", 4), ("ances", 4),
        ("ences", 4), ("ating", 4), ("ment", 4), ("ness", 4), ("able", 4), ("ible", 4), ("ance", 4), ("ence", 4), ("ator", 4), ("ated", 4),
        ("ates", 4),
        ("ized", 4), ("ised", 4), ("izes", 4), ("ises", 4), ("sion", 4), ("tion", 4), ("ings", 3), ("ers", 4), ("ors", 5), ("ive", 4),
        ("ity", 5), ("ize", 4), ("ise", 4),
        ("ate", 4), ("ing", 3), ("ful", 4), ("ion", 4), ("ous", 4), ("ies", 3), ("ied", 3), ("ily", 3), ("al", 4), ("er", 4), ("or", 5),
        ("ly", 4), ("ed", 3), ("es", 3), ("s", 3), ("y", 3), ("e", 3),
    ];

    /// <summary>The stem of a lower-case word; words with digits or other letters than a–z come back as they are.</summary>
    internal static string Stem(string word)
    {
        foreach (char c in word)
            if (c is < 'a' or > 'z')
                return word;
        if (word.Length <= MinStem)
            return word;
        if (Irregular.TryGetValue(word, out var regular))
            word = regular;

        var stem = word.AsSpan();
        // Two rounds: "settings" loses its "ings", "normalised" its "ised" and then "al".
        for (int round = 0; round < 2; round++)
        {
            foreach (var (suffix, least) in Derivations)
            {
                if (!stem.EndsWith(suffix, StringComparison.Ordinal) || stem.Length - suffix.Length < least
                    || (suffix == "s" && stem[^2] is 's' or 'u' or 'i'))
                    continue;
                stem = stem[..^suffix.Length];
                break;
            }
        }

        // "stopped" → "stopp" → "stop"
        return Undouble(stem).ToString();
    }

    /// <summary>What is left of a stem whose last consonant was doubled before an ending.</summary>
    internal static ReadOnlySpan<char> Undouble(ReadOnlySpan<char> stem)
        => stem.Length > MinStem && stem[^1] == stem[^2] && stem[^1] is not ('a' or 'e' or 'i' or 'o' or 'u' or 'l' or 's' or 'z')
            ? stem[..^1] : stem;

    /// <summary>The base forms of irregular verbs and plurals.</summary>
    internal static readonly Dictionary<string, string> Irregular =
        ("ate=eat beaten=beat became=become began=begin begun=begin bent=bend bit=bite bitten=bite blew=blow "
            + "blown=blow bore=bear borne=bear bought=buy broke=break broken=break brought=bring built=build came=come "
            + "caught=catch children=child chose=choose chosen=choose cost=cost dealt=deal died=die dies=die drank=drink "
            + "drawn=draw drew=draw driven=drive drove=drive drunk=drink dug=dig dying=die eaten=eat fallen=fall fed=feed "
            + "feet=foot fell=fall felt=feel fled=flee flew=fly flown=fly forbade=forbid forbidden=forbid forgot=forget "
            + "forgotten=forget fought=fight found=find froze=freeze frozen=freeze gave=give given=give gone=go got=get "
            + "grew=grow grown=grow held=hold hid=hide hidden=hide hung=hang indices=index kept=keep knew=know known=know "
            + "laid=lay led=lead left=leave lent=lend lit=light lost=lose made=make matrices=matrix meant=mean men=man "
            + "met=meet mice=mouse paid=pay people=person ran=run rang=ring ridden=ride risen=rise rode=ride rose=rise "
            + "rung=ring said=say sang=sing sank=sink sat=sit saw=see seen=see sent=send shook=shake shot=shoot shown=show "
            + "slept=sleep slid=slide sold=sell sought=seek spent=spend spoke=speak spoken=speak sprang=spring stole=steal "
            + "stolen=steal stood=stand struck=strike stuck=stick sung=sing sunk=sink swam=swim swept=sweep swore=swear "
            + "sworn=swear taken=take taught=teach teeth=tooth thought=think threw=throw thrown=throw tied=tie ties=tie "
            + "told=tell took=take tore=tear torn=tear tying=tie understood=understand used=use uses=use using=use "
            + "vertices=vertex went=go wept=weep withdrawn=withdraw withdrew=withdraw woke=wake woken=wake women=woman "
            + "won=win wore=wear worn=wear wound=wind written=write wrote=write")
            .Split(' ').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);
}

/// <summary>English words that carry no content in a question.</summary>
internal static class EnglishStopWords
{
    private static readonly HashSet<string> Words =
    [
        .. ("a an the this that these those there here it its itself they them their theirs he she his her him hers we us our ours you "
            + "your yours i me my mine "
            + "what which who whom whose when where why how is are was were be been being am do does did doing done has have had having "
            + "can could may might must shall should will would "
            + "of in on at by for with from to into onto upon about over under between through during than then as and or but nor not no "
            + "if so because while until s t "
            + "up many much more most some any each every all both either neither other another such own same too very just also only ever "
            + "tell please explain describe give name say called call mean means get gets got let kind sort type thing things happen "
            + "happens there anything something someone anyone everything").Split(' '),
    ];

    // Verbs that go with nearly everything: "receive complaints" is said by "complaints".
    private static readonly HashSet<string> Light =
    [
        .. ("be have do get take make use need find come go know want see give put become let set turn try receive include happen belong "
            + "provide contain consist involve work")
            .Split(' ').Select(EnglishStemmer.Stem),
    ];

    internal static bool Contains(string word) => Words.Contains(word);

    /// <summary>Whether a stem is that of a verb that goes with nearly everything.</summary>
    internal static bool IsLight(string stem) => Light.Contains(stem);
}

/// <summary>
/// English words that a question may use for one another (a small embedded list, one group a line). All words of a group get the key of its
/// first, in questions and texts alike; used to match answers, never for the index.
/// </summary>
internal static class EnglishSynonyms
{
    private static readonly string[] Endings = ["", "s", "es", "e", "ed", "ing", "er", "ion", "ions", "ation", "ment", "ments", "y", "ies"];

    private static readonly Dictionary<string, string> KeyByStem = Read(EnglishStemmer.Stem);

    private static readonly ILookup<string, string> StemsByKey =
        KeyByStem.ToLookup(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);

    /// <summary>The key of a stem's group; the stem itself where it is in none.</summary>
    internal static string KeyOf(string stem) => KeyByStem.GetValueOrDefault(stem, stem);

    /// <summary>
    /// The forms of a word and of its synonyms, the word itself included; some of them are not words and are found nowhere.
    /// </summary>
    internal static IEnumerable<string> WordsLike(string word)
    {
        var stem = EnglishStemmer.Stem(word);
        if (stem.Length < 3 || !stem.All(char.IsAsciiLetterLower))
            return [word];
        var key = KeyOf(stem);
        return StemsByKey[key].Append(stem).Distinct(StringComparer.Ordinal)
            .SelectMany(each => Endings.Select(ending => each + ending)
                .Concat(Endings.Where(ending => ending is "ed" or "ing" or "er").Select(ending => each + each[^1] + ending)))
            .Append(word);
    }

    /// <summary>The groups of the embedded list: the stem of each word, and that of its group's first.</summary>
    internal static Dictionary<string, string> Read(Func<string, string> stemOf)
    {
        var keys = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in Prompts.Read("synonyms-en.txt").Split('\n'))
        {
            var stems = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(stemOf).ToList();
            foreach (var stem in stems)
                keys.TryAdd(stem, stems[0]);
        }

        return keys;
    }
}

/// <summary>
/// The terms of a text by which answers are matched: English words by their stems and synonyms, everything else as the analyzer gives it.
/// </summary>
internal static class TermKeys
{
    internal static string KeyOf(string term) => IsLatin(term) ? EnglishSynonyms.KeyOf(EnglishStemmer.Stem(term)) : term;

    internal static HashSet<string> Of(string text)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var token in TextAnalyzer.Analyze(text))
            keys.Add(KeyOf(token.Term));
        return keys;
    }

    /// <summary>Whether a term consists of hiragana (and long marks) alone: grammar more often than content.</summary>
    internal static bool IsHiragana(string term)
    {
        foreach (char c in term)
            if (c is not ((>= 'ぁ' and <= 'ゖ') or 'ー'))
                return false;
        return true;
    }

    internal static bool HasHiragana(string term) => term.AsSpan().IndexOfAnyInRange('ぁ', 'ゖ') >= 0;

    /// <summary>Whether a term is of a script that the analyzer takes as whole words.</summary>
    internal static bool IsSpaced(string term) => IsLatin(term) && term[0] is < '\u0E00' or > '\u18FF';

    internal static bool IsLatin(string term) => term.Length > 0 && term[0] < '\u2E80';
}
