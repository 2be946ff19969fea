namespace Kotonoha.Rag.Answering.Support;

/// <content>The stretches between marks and joining words, and where their predicates stand.</content>
internal sealed partial class EnglishReader
{
    /// <summary>A stretch of a sentence between marks and joining words.</summary>
    private sealed class Part(EnglishRole opener, string openerText, bool isAfterMark)
    {
        internal EnglishRole Opener => opener;

        internal string OpenerText => openerText;

        internal bool IsAfterMark => isAfterMark;

        internal List<EnglishToken> Tokens { get; init; } = [];

        /// <summary>Where its predicate begins, or -1.</summary>
        internal int Verb { get; private set; } = -1;

        internal bool IsImperative { get; private set; }

        /// <summary>What it says of how it holds without a word for it.</summary>
        internal Operators Adds { get; init; }

        internal bool IsAlternative => opener == EnglishRole.Joiner && Tokens[0].Operators.HasFlag(Operators.Alternative);

        /// <summary>"As the lift was broken, …".</summary>
        internal bool GivesReason => opener == EnglishRole.Mark && Tokens[0].Low is "as" or "since" && Verb > 1;

        /// <summary>"…, weather permitting".</summary>
        internal bool IsProviso => opener == EnglishRole.Mark && Verb < 0
            && Tokens is [_, .., { Low: "permitting" or "allowing" or "willing" }];

        /// <summary>"… was repaired but not tested": another predicate is denied, and nothing is taken from what stands before.</summary>
        internal bool DeniesPredicate => openerText == "but not" && Tokens is [_, { Role: EnglishRole.Word } next, ..]
            && (BeginsWithParticipleAt(1) || next.Low[^1] != 's');

        /// <summary>Whether the verb tells of the past.</summary>
        internal bool IsPast
        {
            get
            {
                var verb = Tokens[Verb].Low.Split(' ')[0];
                var noun = Verb > 0 ? Tokens[Verb - 1] : null;
                return verb is "was" or "were" or "had" or "did" or "could" or "wasn't" or "weren't" or "hadn't" or "didn't" or "couldn't"
                    || IsPastForm(verb)
                    // "the pass cost": neither a plural nor a person stands before it.
                    || (SamePast.Contains(verb) && !IsImperative && noun is { Role: EnglishRole.Word or EnglishRole.Name }
                        && !noun.Low.EndsWith('s') && noun.Low is not ("people" or "children" or "men" or "women"));
            }
        }

        /// <summary>Whether the verb says when; a participle alone ("…, heated by gas") and a denial without a verb do not.</summary>
        internal bool HasTense => !(Verb == 0 && BeginsWithParticiple) && Tokens[Verb].Low is not ("not" or "never" or "been" or "being")
            && (Shape != Shape.Verb || !BeginsWithParticiple);

        /// <summary>Whether a token still belongs to what the number before it counts: "two large rooms", "3 kg of rice".</summary>
        internal bool IsCounted(int at) => at != Verb && (Tokens[at].Role is EnglishRole.Word or EnglishRole.Name or EnglishRole.Skipped
            || (Tokens[at].Low == "of" && at > 0 && Tokens[at - 1].Quantity is { Dimension.Length: > 0 }));

        /// <summary>The words of an exception end where the predicate of what they are taken from begins.</summary>
        internal Part? CutBehindException()
        {
            if (opener != EnglishRole.Exception || Verb <= 1 || DeniesPredicate
                || openerText is "except if" or "except when" or "except that")
                return null;
            var rest = new Part(EnglishRole.Mark, "", false) { Tokens = Tokens[Verb..] };
            Tokens.RemoveRange(Verb, Tokens.Count - Verb);
            Find();
            return rest;
        }

        /// <summary>Whether an article says for what an amount is: "two dollars a litre", "once each week".</summary>
        internal bool IsRate(int at)
            => Tokens[at].Low is "a" or "an" or "each" or "every" && at > 0 && at + 1 < Tokens.Count
                && Tokens[at + 1].Role == EnglishRole.Word
                && (Tokens[at - 1].Quantity is not null || Tokens[at - 1].Low is "times" or "once" or "twice");

        /// <summary>
        /// Whether what is said behind a word is only planned, wanted, tried or said: "plans to buy", "proposed moving", "says that".
        /// </summary>
        internal bool Governs(int at)
        {
            if (at + 2 >= Tokens.Count || at < Verb - 1)
                return false;
            var (next, behind) = (Tokens[at + 1], Tokens[at + 2]);
            return (next.Low == "to" && behind is { Role: EnglishRole.Word, IsTime: false } && char.IsLower(behind.Text[0]))
                || (next.Low == "to" && behind.Low is "be" or "have")
                || (next.Low == "that" && Tokens[at].Role == EnglishRole.Word && at >= Verb
                    && (Enumerable.Range(at + 3, Math.Max(0, Tokens.Count - at - 3)).Any(i => IsVerb(i, at + 2))
                        || (Verb > 0 && Tokens[Verb - 1].Low == "it")))
                || (at == Verb && next is { Role: EnglishRole.Word } && next.Low.EndsWith("ing", StringComparison.Ordinal)
                    && behind.Role is EnglishRole.Determiner or EnglishRole.Name or EnglishRole.Number or EnglishRole.Preposition);
        }

        internal bool BeginsWithParticiple => Verb >= 0
            && BeginsWithParticipleAt(Tokens[Verb].Operators == Operators.Negation ? Verb + 1 : Verb);

        private bool BeginsWithParticipleAt(int at) => at < Tokens.Count && Tokens[at] is { Role: EnglishRole.Word } verb
            && (verb.Low.EndsWith("ed", StringComparison.Ordinal) || IrregularParticiples.Contains(verb.Low));

        internal Shape Shape { get; private set; }

        internal bool BeginsWithPhrase { get; private set; }

        internal void Find()
        {
            Verb = -1;
            int first = Tokens.FindIndex(token => token.Role is not (EnglishRole.Skipped or EnglishRole.Particle or EnglishRole.Condition
                or EnglishRole.Exception or EnglishRole.Cause or EnglishRole.Joiner));
            if (first < 0)
                return;
            BeginsWithPhrase = Tokens[first].Role == EnglishRole.Preposition;
            // "Keep the tablets below 25 °C", "Do not take …": no noun stands before an article.
            IsImperative = openerText.Length == 0 && Tokens[first].Text is [>= 'A' and <= 'Z', ..] && first + 1 < Tokens.Count
                && ((Tokens[first].Role == EnglishRole.Word && (Tokens[first + 1] is { Role: EnglishRole.Determiner or EnglishRole.Pronoun }
                    || Tokens[first + 1].Quantity is { Dimension.Length: > 0, IsTime: false }))
                || (Tokens[first].Low == "do" && Tokens[first + 1].Low == "not"));
            if (IsImperative)
                Verb = first;
            for (int i = first; i < Tokens.Count && Verb < 0; i++)
                if (IsVerb(i, first))
                    Verb = i;

            // "Bookings cancelled by us are refunded": a participle that another predicate follows belongs to the noun before it.
            if (Verb > first && Tokens[Verb].Role == EnglishRole.Word && (Tokens[Verb].Low.EndsWith("ed", StringComparison.Ordinal)
                || IrregularParticiples.Contains(Tokens[Verb].Low))
                && Tokens.FindIndex(Verb + 1, token => token.Role == EnglishRole.Auxiliary) is > 0 and var finite
                && !Tokens.Skip(Verb + 1).Take(finite - Verb - 1).Any(token => token.Low == "that"))
                Verb = finite;

            // "Bread sold by the abbey bears a cross": so does one with a preposition behind it that another verb follows.
            else if (Verb > first && Verb + 1 < Tokens.Count && BeginsWithParticiple
                && Tokens[Verb + 1].Role == EnglishRole.Preposition
                && Enumerable.Range(Verb + 2, Math.Max(0, Tokens.Count - Verb - 2)).FirstOrDefault(i => IsVerb(i, first))
                    is > 0 and var later)
                Verb = later;
            // "…, comes with 15 GB": where nothing else is the predicate, the word that opens the part is.
            if (Verb < 0 && openerText.Length > 0 && opener != EnglishRole.Relative && first + 1 < Tokens.Count
                && Tokens[first] is { Role: EnglishRole.Word, Low: [.., not ('s' or 'u' or 'i'), 's'] }
                && Tokens[first + 1].Role == EnglishRole.Preposition)
                Verb = first;
            int noun = Tokens.FindIndex(token => token.Role is EnglishRole.Word or EnglishRole.Name);
            int other =
                Tokens.FindIndex(token => token.Role == EnglishRole.Number || (token.Role == EnglishRole.Preposition && token.Low != "of"));
            Shape = Verb == first ? Shape.Verb
                : Verb > first ? Shape.Clause
                : BeginsWithPhrase || noun < 0 || (other >= 0 && other < noun) || Tokens[first].IsTime ? Shape.Phrase
                : other > noun ? Shape.Elliptic
                : Shape.Nouns;
        }

        /// <summary>"… and soften them": a further instruction, where it may be one.</summary>
        internal void GoOnImperative()
        {
            int first = Tokens.FindIndex(token => token.Role is not (EnglishRole.Skipped or EnglishRole.Joiner));
            if (first >= 0 && first + 1 < Tokens.Count && Tokens[first] is { Role: EnglishRole.Word } token && char.IsLower(token.Text[0])
                && Tokens[first + 1].Role is EnglishRole.Determiner or EnglishRole.Pronoun or EnglishRole.Number or EnglishRole.Particle)
                (Verb, Shape, IsImperative) = (first, Shape.Verb, true);
        }

        internal bool IsParticiple(int at)
        {
            var low = Tokens[at].Low;
            if (!(low.EndsWith("ed", StringComparison.Ordinal) || IrregularParticiples.Contains(low) || Forbidden.Contains(low)))
                return false;
            int before = at - 1;
            while (before >= 0 && (Tokens[before].Role is EnglishRole.Skipped
                || (Tokens[before].Role == EnglishRole.Auxiliary && Tokens[before].Operators == Operators.Negation)
                || (Tokens[before].Role == EnglishRole.Word && Tokens[before].Low.EndsWith("ly", StringComparison.Ordinal))))
                before--;
            return before >= 0 && (Be.Contains(Tokens[before].Low) || Tokens[before].Low.EndsWith(" be", StringComparison.Ordinal));
        }

        private bool IsVerb(int at, int first)
        {
            var token = Tokens[at];
            if (token.Role == EnglishRole.Auxiliary)
                return true;
            if (token.Role != EnglishRole.Word || !char.IsLower(token.Text[0]))
                return false;
            var before = at > first ? Tokens[at - 1] : null;
            bool nounBefore = before
                is { Role: EnglishRole.Word or EnglishRole.Name or EnglishRole.Number or EnglishRole.Pronoun or EnglishRole.Skipped };
            bool begins = before is null && (opener is EnglishRole.Joiner or EnglishRole.Relative or EnglishRole.Mark)
                && openerText.Length > 0;
            if (!nounBefore && !begins)
                return false;
            if (before is { Role: EnglishRole.Pronoun } && SubjectPronouns.Contains(before.Low)
                && (VerbsLikeAdverbs.Contains(token.Low) || !token.Low.EndsWith("ly", StringComparison.Ordinal)))
                return true;
            var behind = at + 1 < Tokens.Count ? Tokens[at + 1].Role : EnglishRole.Mark;
            if (IrregularVerbs.Contains(token.Low) || (token.Low.Length > 4 && token.Low.EndsWith("ed", StringComparison.Ordinal)))
                return behind != EnglishRole.Auxiliary && (nounBefore || behind != EnglishRole.Word || IrregularVerbs.Contains(token.Low));
            var next = at + 1 < Tokens.Count ? Tokens[at + 1] : null;
            bool objectNext = next is
            {
                Role: EnglishRole.Determiner or EnglishRole.Number or EnglishRole.Pronoun or EnglishRole.Name or EnglishRole.Particle
                    or EnglishRole.Preposition or EnglishRole.Skipped
            } || (next is null && nounBefore && before!.Role is EnglishRole.Name or EnglishRole.Pronoun);
            if (!objectNext)
                return false;
            if (token.Low is [.., not ('s' or 'u' or 'i'), 's'])
                return before is null
                    ? next!.Role != EnglishRole.Preposition
                    : !before.Low.EndsWith('s') || before.Role != EnglishRole.Word;

            // "Crews practise on the course": a plural, then a word that something follows.
            return before is { Role: EnglishRole.Word } && before.Low is [.., not 's', 's'] && next!.Low != "of"
                && !token.Low.EndsWith("ly", StringComparison.Ordinal) && !token.IsTime;
        }
    }
}
