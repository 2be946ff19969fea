namespace Kotonoha.Rag.Answering.Support;

/// <summary>
/// What English words are compared by where precision counts: their inflected forms are one (close, closed, closing), words derived from
/// one another are not (employer, employee), synonyms of the embedded list are.
/// </summary>
internal static class EnglishKeys
{
    private static readonly Dictionary<string, string> Irregular =
        ("ate=eat eaten=eat became=become bore=bear borne=bear beaten=beat bent=bend bit=bite bitten=bite blew=blow blown=blow dealt=deal "
            + "drank=drink drunk=drink dug=dig fed=feed fled=flee forbade=forbid forbidden=forbid forgot=forget forgotten=forget "
            + "fought=fight "
            + "froze=freeze frozen=freeze hid=hide hidden=hide rang=ring rung=ring rode=ride ridden=ride sank=sink sunk=sink shook=shake "
            + "shot=shoot slept=sleep slid=slide sprang=spring stuck=stick struck=strike swore=swear sworn=swear tore=tear torn=tear "
            + "wept=weep "
            + "withdrew=withdraw withdrawn=withdraw woke=wake woken=wake wound=wind "
            + "began=begin begun=begin bought=buy brought=bring built=build came=come caught=catch chose=choose chosen=choose drew=draw "
            + "drawn=draw "
            + "drove=drive driven=drive fell=fall fallen=fall felt=feel flew=fly flown=fly found=find gave=give given=give got=get "
            + "grew=grow "
            + "grown=grow held=hold kept=keep knew=know known=know laid=lay led=lead left=leave lent=lend lost=lose made=make meant=mean "
            + "met=meet paid=pay ran=run rose=rise risen=rise said=say sang=sing sung=sing sat=sit saw=see seen=see sent=send sold=sell "
            + "spent=spend spoke=speak spoken=speak stood=stand stole=steal stolen=steal swam=swim taught=teach thought=think threw=throw "
            + "thrown=throw told=tell took=take taken=take understood=understand went=go gone=go won=win wore=wear worn=wear wrote=write "
            + "written=write broke=break broken=break swept=sweep children=child men=man women=woman people=person feet=foot teeth=tooth "
            + "mice=mouse indices=index matrices=matrix lit=light hung=hang sought=seek shown=show")
            .Split(' ').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);

    private static readonly Dictionary<string, string> Synonyms = Read();

    /// <summary>The key of a word in lower case.</summary>
    internal static string Of(string word)
    {
        var stem = Stem(word);
        return Synonyms.GetValueOrDefault(stem, stem);
    }

    private static string Stem(string word)
    {
        if (Irregular.TryGetValue(word, out var base_))
            word = base_;
        if (word.Length <= 3)
            return word;
        if (Ends("ies") || Ends("ied"))
            return word[..^3] + "y";
        if (Ends("sses") || Ends("xes") || Ends("ches") || Ends("shes") || Ends("zes"))
            word = word[..^2];
        else if (word[^1] == 's' && word[^2] is not ('s' or 'u' or 'i'))
            word = word[..^1];
        if (word.Length > 4 && Ends("ed"))
            word = Undouble(word[..^2]);
        else if (word.Length > 5 && Ends("ing"))
            word = Undouble(word[..^3]);
        return word.Length > 3 && word[^1] == 'e' ? word[..^1] : word;

        bool Ends(string suffix) => word.EndsWith(suffix, StringComparison.Ordinal) && word.Length > suffix.Length + 1;
    }

    // "stopped" → "stopp" → "stop"
    private static string Undouble(string word)
        => word.Length > 3 && word[^1] == word[^2] && word[^1] is not ('a' or 'e' or 'i' or 'o' or 'u' or 'l' or 's' or 'z')
            ? word[..^1]
            : word;

    private static Dictionary<string, string> Read()
    {
        var keys = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in AnswerTexts.Resource("synonyms-en.txt").Split('\n'))
        {
            var stems = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Stem).ToList();
            foreach (var stem in stems)
                keys.TryAdd(stem, stems[0]);
        }

        return keys;
    }
}
