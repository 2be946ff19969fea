namespace Kotonoha.Rag.Answering;

/// <summary>English words that carry no content in a question.</summary>
internal static class EnglishStopWords
{
    private static readonly HashSet<string> Words =
    [
        .. ("a an the this that these those there here it its itself they them their theirs he she his her him hers we us our ours you your yours i me my mine "
            + "what which who whom whose when where why how is are was were be been being am do does did doing done has have had having can could may might must shall should will would "
            + "of in on at by for with from to into onto upon about over under between through during than then as and or but nor not no if so because while until s t "
            + "many much more most some any each every all both either neither other another such own same too very just also only ever "
            + "tell please explain describe give name say called call mean means get gets got let kind sort type thing things happen happens there anything something someone anyone everything").Split(' '),
    ];

    internal static bool Contains(string word) => Words.Contains(word);
}
