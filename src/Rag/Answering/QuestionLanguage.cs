using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Rag.Answering;

/// <summary>Tells the language of a question by its script and, where several languages share one, by its commonest words.</summary>
internal static partial class QuestionLanguage
{
    private static readonly (string Language, HashSet<string> Words)[] Latin =
    [
        .. new[]
        {
            ("en", "the is are was were what which who whom when where why how do does did of to in for with and not can may must a an"),
            ("de", "der die das den dem des ein eine einen ist sind war wie was wer wann wo warum welche welcher welches und nicht mit "
                + "für von im "
                + "auf zu wird werden kann muss darf gibt hat haben viel viele"),
            ("fr", "le la les des du un une est sont était que quel quelle quels quelles qui quand où pourquoi comment combien et ne pas "
                + "pour dans "
                + "avec sur au aux peut doit y a t il elle ce cette"),
            ("es", "el la los las un una es son era qué cuál cuáles quién cuándo dónde por cómo cuánto cuánta cuántos cuántas y no para "
                + "en con del "
                + "al se puede debe hay"),
            ("it", "il lo la i gli le un una è sono era che quale quali chi quando dove perché come quanto quanta quanti quante e non "
                + "per in con "
                + "del della dei delle si può deve ci"),
            ("pt", "o a os as um uma é são era que qual quais quem quando onde por como quanto quanta quantos quantas e não para em com "
                + "do da dos "
                + "das no na se pode deve há"),
            ("nl", "de het een is zijn was wat welke wie wanneer waar waarom hoe en niet voor in met van op te kan moet mag wordt worden"),
        }.Select(pair => (pair.Item1, pair.Item2.Split(' ').ToHashSet(StringComparer.Ordinal))),
    ];

    /// <summary>The language of a question, as a two-letter code; English where nothing tells.</summary>
    /// <param name="folded">The question in NFKC, case folded.</param>
    internal static string Of(string folded)
    {
        if (Support.JapaneseReader.IsJapanese(folded))
            return "ja";
        if (Has(folded, '가', '힣'))
            return "ko";
        if (Has(folded, '\u0E00', '\u0E7F'))
            return "th";
        if (folded.Any(static c => UnicodeData.IsKanjiOrKana(c)))
            return Chinese().IsMatch(folded) ? "zh" : "ja";
        if (Has(folded, 'а', 'я'))
            return "ru";
        var words = Word().Matches(folded).Select(match => match.Value).ToList();
        return Latin.Select(language => (language.Language, Count: words.Count(language.Words.Contains)))
            .MaxBy(language => language.Count) is { Count: > 0 } best ? best.Language : "en";
    }

    private static bool Has(string text, char first, char last) => text.AsSpan().IndexOfAnyInRange(first, last) >= 0;

    // Characters and words that a Japanese question without kana hardly has.
    [GeneratedRegex("[吗嗎呢吧们們这這么麼个哪谁誰您她它咱怎啥几]|什么|什麼|多少|如何|为何|為何|是否|可以|的时|的時|[图书馆时间开关门车费钱说话问题东买卖]")]
    private static partial Regex Chinese();

    [GeneratedRegex(@"[\p{L}\p{M}]+")]
    private static partial Regex Word();
}
