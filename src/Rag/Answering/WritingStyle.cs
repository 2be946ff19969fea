namespace Kotonoha.Rag.Answering;

/// <summary>How a chat model is asked to write an answer.</summary>
public enum WritingStyle
{
    /// <summary>Numbered passages, an instruction to cite them by their numbers and to say when they hold no answer. For models that follow instructions.</summary>
    NumberedPassages,

    /// <summary>
    /// The best sentences as plain text and a request for one sentence, without numbers. For models of up to about a billion parameters, which lose themselves in
    /// longer prompts; what they write is checked in the same way.
    /// </summary>
    ShortText,
}
